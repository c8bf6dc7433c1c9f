"""The script of every page: whoever is not signed in sees the sign-in, and nothing else."""

import streamlit as st

from backstitch import demo, startup
from backstitch.accounts.permissions import Permission
from ui import HERE, account_forms, feedback, session, single_sign_on, undo

st.set_page_config(page_title="Backstitch", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")

PAGES = {
    "": [
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/home.py",
                title="Home",
                icon=":material/home:",
                default=True,
                help="What needs attention: low stock, today's movements, open orders, the last changes.",
            ),
        ),
    ],
    "Inventory": [
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/products.py",
                title="Products",
                icon=":material/styler:",
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
                "../pages/low_stock.py",
                title="Low stock",
                icon=":material/production_quantity_limits:",
                url_path="low-stock",
                help="Colours and sizes at or below their reorder level, with how many to order.",
            ),
        ),
        (
            Permission.EDIT_INVENTORY,
            st.Page(
                "../pages/stock_take.py",
                title="Stock-take",
                icon=":material/fact_check:",
                url_path="stock-take",
                help="Enter what was counted on the shelf, see the differences, post them.",
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
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/orders.py",
                title="Orders",
                icon=":material/receipt_long:",
                help="What stores ordered: take orders, dispatch them, hand out the order sheet.",
            ),
        ),
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/customers.py",
                title="Customers",
                icon=":material/storefront:",
                help="The stores that buy, with GSTIN, phone and address.",
            ),
        ),
        (
            Permission.SEE_INVENTORY,
            st.Page(
                "../pages/agencies.py",
                title="Agencies",
                icon=":material/handshake:",
                help="The agencies that sell to stores.",
            ),
        ),
        (
            Permission.EDIT_INVENTORY,
            st.Page(
                "../pages/paste.py",
                title="Paste from Excel",
                icon=":material/content_paste:",
                help="Inward, sales, orders and products from a spreadsheet: checked, shown, then written in one go.",
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
    "Account": [
        (
            Permission.OWN_ACCOUNT,
            st.Page(
                "../pages/account.py",
                title="My account",
                icon=":material/account_circle:",
                help="Where you are signed in, your password, what happened to your account.",
            ),
        ),
        (
            Permission.MANAGE_USERS,
            st.Page(
                "../pages/users.py",
                title="Users",
                icon=":material/group:",
                help="Who may sign in, as what, and from where they are signed in now.",
            ),
        ),
    ],
}

authenticator = session.authenticator()
person = session.resume()

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
        if single_sign_on.is_configured():
            signed_in = single_sign_on.offer(session.sign_in_as) or signed_in
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
page = st.navigation(
    {section: pages for section, pages in visible.items() if pages},
    position="hidden" if person.user.must_change_password else "sidebar",
    expanded=True,
)

with st.sidebar:
    st.text(f"{person.user.name} · {person.user.role}")
    authenticator.logout("Sign out", location="sidebar", key="sign_out", callback=lambda _: session.sign_out())
if not st.session_state.get("authentication_status"):
    single_sign_on.sign_out()
    session.leave()
if person.user.must_change_password:
    # First of all, on whatever page: an admin knows the password that this person has.
    account_forms.first_password()
    st.stop()

feedback.show_done(undo.offer)
undo.show_open()
page.run()
