"""Users: their roles and states, and the live sessions."""

import streamlit as st

from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Permission
from backstitch.accounts.users import UserLine
from ui.accounts import own_forms as account_forms
from ui.accounts import user_forms
from ui.shared import formats, session

session.require(Permission.MANAGE_USERS)
account_forms.end_chosen_session()


def state(line: UserLine) -> str:
    """The state of a user: deactivated, locked, or due for a new password; else an empty text."""
    if not line.is_active:
        return "Deactivated"
    if line.locked_until:
        return f"Locked until {line.locked_until.astimezone(formats.timezone()):%H:%M}"
    return "New password due" if line.must_change_password else ""


st.title("Users")

with session.read() as connection:
    listed = users.list_users(connection)
    everybodys = sessions.live_sessions(connection, everybody=True)

st.button("Add user", type="primary", icon=":material/person_add:", key="add_user", on_click=user_forms.open_new)
table = formats.frame(listed, UserLine)
table["role"] = [line.role.value.capitalize() for line in listed]
table["state"] = [state(line) for line in listed]
table["open"] = ":material/edit: Edit"
st.dataframe(
    table,
    key="user_table",
    hide_index=True,
    alt="Users",
    column_order=["name", "open", "email", "role", "state"],
    column_config={
        "name": st.column_config.TextColumn("Name", pinned=True),
        "email": "Email",
        "role": "Role",
        "state": "State",
        "open": st.column_config.ButtonColumn(
            "",
            key="user_open",
            type="tertiary",
            on_click=lambda: user_forms.open_user(listed[st.session_state["user_open"].row]),
        ),
    },
)

st.subheader("Signed in now")
st.caption(f"{formats.counted(len(everybodys), 'session')}; times in {formats.timezone()}.")
account_forms.sessions_table(everybodys, named=True)

user_forms.show_open()
