"""The script of every page: whoever is not signed in sees the sign-in, and nothing else."""

import streamlit as st

from backstitch import demo, startup
from backstitch.accounts.permissions import Permission
from ui import HERE, feedback, session

st.set_page_config(page_title="Backstitch", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")

PAGES = {
    "Inventory": [
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/products.py",
                title="Products",
                icon=":material/styler:",
                default=True,
                help="The designs you sell: find, add, edit and deactivate them.",
            ),
        ),
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/stock.py",
                title="Stock matrix",
                icon=":material/grid_on:",
                help="What is on hand of a product, colour by size.",
            ),
        ),
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/inward.py",
                title="Inward",
                icon=":material/input:",
                help="Goods in: record them by size, correct and delete entries.",
            ),
        ),
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/sales.py",
                title="Sales",
                icon=":material/output:",
                help="Goods out: record them by size, correct and delete entries.",
            ),
        ),
    ],
    "Audit": [
        (
            Permission.READ_TRAIL,
            st.Page(
                "../pages/audit.py",
                title="Audit report",
                icon=":material/history:",
                help="Who changed what and when: filter it, chart it, take it away.",
            ),
        ),
    ],
}

authenticator = session.authenticator()
person = session.resume(authenticator)

if person is None:
    session.drop_cookie(authenticator)
    # Every address leads to the sign-in, and stays, so that the person arrives where the link pointed.
    st.navigation(
        [
            st.Page(lambda: None, title="Sign in", url_path=page.url_path, default=not page.url_path)
            for pages in PAGES.values()
            for _, page in pages
        ],
        position="hidden",
    )
    with st.empty().container(horizontal_alignment="center"), st.container(width=420):
        st.title("Backstitch")
        st.caption("Inventory in which every change is on the record.")
        signed_in = session.sign_in(authenticator)
        if st.session_state.get("authentication_status") is False:
            st.error("Email or password is not right. Check both and try again.", icon=":material/block:")
        accounts = demo.accounts(startup.current().database) if session.is_local() else []
        if accounts:
            with st.container(border=True):
                st.markdown(f"**Demo data.** Sign in as one of these, password `{demo.PASSWORD}`:")
                st.markdown("\n".join(f"- `{account}`" for account in accounts))
    if signed_in:
        # The next run has no form, and its element that sets the cookie stays long enough to do so.
        st.session_state["cookie_due"] = True
        st.rerun()
    st.stop()

session.establish(person)
session.keep_cookie(authenticator)

visible = {
    section: [page for permission, page in pages if person.user.may(permission)] for section, pages in PAGES.items()
}
page = st.navigation({section: pages for section, pages in visible.items() if pages})

with st.sidebar:
    st.text(f"{person.user.name} · {person.user.role}")
    authenticator.logout("Sign out", location="sidebar", key="sign_out", callback=lambda _: session.sign_out())
if not st.session_state.get("authentication_status"):
    session.forget()
    st.session_state["cookie_over"] = True
    st.rerun()

feedback.show_done()
page.run()
