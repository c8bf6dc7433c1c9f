"""The pages of the app in their order, with the permission that each requires."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from backstitch.accounts.permissions import Permission
from backstitch.accounts.sessions import User


@dataclass(frozen=True)
class Entry:
    """A page in the navigation; its address is the name of its file in `pages/`, with hyphens."""

    permission: Permission
    file: str
    title: str
    icon: str
    help: str
    is_default: bool = False

    @property
    def path(self) -> str:
        """The address of the page, without the slash."""
        return "" if self.is_default else self.file.replace("_", "-")

    def page(self) -> StreamlitPage:
        """The page as an object of Streamlit."""
        return st.Page(
            f"../pages/{self.file}.py",
            title=self.title,
            icon=f":material/{self.icon}:",
            help=self.help,
            url_path=self.path or None,
            default=self.is_default,
        )

    def placeholder(self) -> StreamlitPage:
        """An empty page at the same address, for a user who is signed out."""
        return st.Page(lambda: None, title="Sign in", url_path=self.path, default=self.is_default)


SECTIONS: Mapping[str, Sequence[Entry]] = {
    "": (
        Entry(
            Permission.SEE_INVENTORY,
            "home",
            "Home",
            "home",
            "What needs attention: low stock, today's movements, open orders, the last changes.",
            is_default=True,
        ),
    ),
    "Inventory": (
        Entry(
            Permission.SEE_INVENTORY,
            "products",
            "Products",
            "styler",
            "The designs you sell: find, add, edit and deactivate them.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "stock",
            "Stock matrix",
            "grid_on",
            "What is on hand of a product, colour by size.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "low_stock",
            "Low stock",
            "production_quantity_limits",
            "Colours and sizes at or below their reorder level, with how many to order.",
        ),
        Entry(
            Permission.EDIT_INVENTORY,
            "stock_take",
            "Stock-take",
            "fact_check",
            "Enter what was counted on the shelf, see the differences, post them.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "inward",
            "Inward",
            "input",
            "Goods in: record them by size, correct and delete entries.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "sales",
            "Sales",
            "output",
            "Goods out: record them by size, correct and delete entries.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "adjustments",
            "Adjustments",
            "rule",
            "Counts, damage and other corrections of the stock: look them up, correct and delete them.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "orders",
            "Orders",
            "receipt_long",
            "What stores ordered: take orders, dispatch them, hand out the order sheet.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "customers",
            "Customers",
            "storefront",
            "The stores that buy, with GSTIN, phone and address.",
        ),
        Entry(
            Permission.SEE_INVENTORY,
            "agencies",
            "Agencies",
            "handshake",
            "The agencies that sell to stores.",
        ),
        Entry(
            Permission.EDIT_INVENTORY,
            "paste",
            "Paste from Excel",
            "content_paste",
            "Inward, sales, orders and products from a spreadsheet: checked, shown, then written in one go.",
        ),
    ),
    "Audit": (
        Entry(
            Permission.READ_TRAIL,
            "audit",
            "Audit report",
            "history",
            "Who changed what and when: filter it, chart it, take it away.",
        ),
    ),
    "Account": (
        Entry(
            Permission.OWN_ACCOUNT,
            "account",
            "My account",
            "account_circle",
            "Where you are signed in, your password, what happened to your account.",
        ),
        Entry(
            Permission.MANAGE_USERS,
            "users",
            "Users",
            "group",
            "Who may sign in, as what, and from where they are signed in now.",
        ),
        Entry(
            Permission.MANAGE_USERS,
            "reasons",
            "Reasons",
            "help_center",
            "Which changes ask for a reason.",
        ),
    ),
}


def for_user(user: User) -> dict[str, list[StreamlitPage]]:
    """The pages that the user may see, by section."""
    visible = {
        section: [entry.page() for entry in entries if user.may(entry.permission)]
        for section, entries in SECTIONS.items()
    }
    return {section: pages for section, pages in visible.items() if pages}


def signed_out() -> list[StreamlitPage]:
    """An empty page per address: a deep link shows the sign-in, and keeps its address for after it."""
    return [entry.placeholder() for entries in SECTIONS.values() for entry in entries]
