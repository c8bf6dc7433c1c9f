"""The script of every page: it shows the sign-in, and nothing else, to a user who is not signed in."""

import streamlit as st

from backstitch import startup
from backstitch.demo import first_start
from backstitch.demo import loader as demo_loader
from ui import HERE, feedback, navigation
from ui.accounts import own_forms as account_forms
from ui.audit import filters as audit_filters
from ui.audit import undo
from ui.server import script_runs
from ui.shared import dialogs, links, session, single_sign_on

st.set_page_config(page_title="Backstitch", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")

script_runs.AFTER_EACH.add(session.keep_typed)
authenticator = session.authenticator()
person = session.resume()

if person is None:
    session.drop_cookie(authenticator, then=single_sign_on.sign_out)
    st.navigation(navigation.signed_out(), position="hidden")
    with st.empty().container(horizontal_alignment="center"), st.container(width=420):
        st.title("Backstitch")
        st.caption("Inventory in which every change is on the record.")
        if ended := session.why_ended():
            st.warning(ended, icon=":material/logout:")
        signed_in = session.sign_in(authenticator)
        if single_sign_on.is_configured():
            signed_in = single_sign_on.offer(session.sign_in_as) or signed_in
        accounts = demo_loader.accounts(startup.current().database) if session.is_local() else []
        if accounts:
            with st.container(border=True):
                st.markdown(f"**Demo data.** Sign in as one of these, password `{demo_loader.PASSWORD}`:")
                st.markdown("\n".join(f"- `{account}`" for account in accounts))
        if problem := first_start.problem():
            st.warning(problem, icon=":material/warning:")
    if signed_in:
        # The element that sets the cookie belongs to the next run, which has no form and stays on the screen.
        st.session_state["cookie_due"] = True
        st.rerun()
    st.stop()

session.establish(person)
session.keep_cookie(authenticator)

page = st.navigation(
    navigation.for_user(person.user),
    position="hidden" if person.user.must_change_password else "sidebar",
    expanded=True,
)

with st.sidebar:
    st.text(f"{person.user.name} · {person.user.role}")
    authenticator.logout("Sign out", location="sidebar", key="sign_out", callback=lambda _: session.sign_out())
if not st.session_state.get("authentication_status"):
    session.leave()
if person.user.must_change_password:
    # Before any page: an admin knows the password of this person.
    account_forms.own_password_form()
    st.stop()

if links.note_page(page.url_path):
    dialogs.close_all()
feedback.show_done(offer_undo=undo.offer, filter_report=audit_filters.show_only)
undo.show_open()
with session.pending_reason(), feedback.patience():
    page.run()
feedback.end_run()
