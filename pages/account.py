"""My account: the user's sessions, password and account events."""

import streamlit as st

from backstitch import __version__
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Permission
from ui import feedback
from ui.accounts import own_forms as account_forms
from ui.shared import formats, session

user = session.require(Permission.OWN_ACCOUNT)
account_forms.end_chosen_session()

st.title("My account")
st.text(f"{user.name} · {user.email} · {user.role}")

with session.read() as connection:
    own = sessions.live_sessions(connection)
    events = sessions.activity(connection)

st.subheader("Where you are signed in")
account_forms.sessions_table(own, named=False)
if st.button("Sign out everywhere", icon=":material/logout:", key="sign_out_everywhere"):
    with feedback.refusals():
        with session.write("sign out everywhere") as connection:
            sessions.end_sessions_of(connection, user_id=user.id)
        session.leave()

st.subheader("Change password")
with st.container(width=420):
    account_forms.password_form(
        submit="Change password", done="Your password was changed. Every other session of yours was signed out."
    )

st.subheader("What happened to your account")
st.caption(f"The last {formats.counted(len(events), 'event')}; times in {formats.timezone()}.")
account_forms.activity_table(events)

st.caption(f"Backstitch {__version__}")
