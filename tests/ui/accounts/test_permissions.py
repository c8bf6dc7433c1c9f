"""The table of permissions, enforced three times: every role, page and kind of change. SAFETY rows 24 and 25."""

import ast
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import ALLOWED, Permission, Role, may
from backstitch.settings import PROJECT
from backstitch.startup import Service
from tests.conftest import Clone
from tests.ui.conftest import Open
from tests.ui.shop import Shop, run
from ui.navigation import SECTIONS

PAGES = sorted(path.stem for path in (PROJECT / "pages").glob("*.py"))
ALONE = """
import runpy
from ui.shared import session
from tests.ui.accounts.test_roles import person
session.establish(person("{role}"))
runpy.run_path("{page}")
"""
LOCKED = ["Your role does not include this page. Ask an admin if you need it."]


def in_navigation() -> dict[str, str]:
    """The permission by which the navigation lists each page."""
    return {entry.file: entry.permission.name for entries in SECTIONS.values() for entry in entries}


def required_by_page(page: str) -> str | None:
    """The permission that the first statement of a page requires."""
    body = ast.parse((PROJECT / "pages" / f"{page}.py").read_text()).body
    first = next(
        node
        for node in body
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef) and not _is_constant(node)
    )
    match first:
        case ast.Assign(value=ast.Call() as call) | ast.Expr(value=ast.Call() as call):
            match call:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="session"), attr="require"), args=[ast.Attribute(attr=name)]
                ):
                    return name
    return None


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign) and not any(
        isinstance(part, ast.Call) for part in ast.walk(node)
    )


# The table of the design: only this finds a page that requires too little in the navigation and in its file alike.
NEEDED = {
    "account": "OWN_ACCOUNT",
    "audit": "READ_TRAIL",
    "paste": "EDIT_INVENTORY",
    "reasons": "MANAGE_USERS",
    "stock_take": "EDIT_INVENTORY",
    "users": "MANAGE_USERS",
}


def test_each_page_requires_the_permission_that_its_content_needs() -> None:
    assert in_navigation() == {page: NEEDED.get(page, "SEE_INVENTORY") for page in PAGES}


def test_every_page_is_in_the_navigation_and_its_first_statement_requires_the_same_permission() -> None:
    assert in_navigation() == {page: required_by_page(page) for page in PAGES}


def test_the_table_of_permissions_is_the_one_of_the_design() -> None:
    everybody = {Permission.SEE_INVENTORY, Permission.OWN_ACCOUNT}
    assert ALLOWED[Role.ADMIN] == set(Permission)
    assert ALLOWED[Role.MANAGER] == everybody | {Permission.EDIT_INVENTORY, Permission.READ_TRAIL}
    assert ALLOWED[Role.ANALYST] == everybody | {Permission.READ_TRAIL, Permission.READ_WHOLE_TRAIL}
    assert ALLOWED[Role.VIEWER] == everybody


@pytest.mark.parametrize("role", Role)
def test_every_page_is_offered_to_the_roles_that_may_open_it_and_refuses_the_others(
    open_page: Open, shop: Shop, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.product()
    offered: list[str] = []
    navigation: Any = st.navigation

    def record_pages(sections: dict[str, list[Any]], **options: Any) -> Any:
        offered.extend(Path(str(page._page)).stem for pages in sections.values() for page in pages)
        return navigation(sections, **options)

    monkeypatch.setattr(st, "navigation", record_pages)
    open_page("products", role)
    may_open = {page for page in PAGES if may(role, Permission[in_navigation()[page]])}
    assert set(offered) == may_open
    # The page itself refuses, too, and draws nothing, even if the navigation lets the user in.
    for page in set(PAGES) - may_open:
        script = ALONE.format(role=role.value, page=PROJECT / "pages" / f"{page}.py")
        tab = run(AppTest.from_string(script, default_timeout=30))
        assert [error.value for error in tab.error] == LOCKED, page
        drawn = [*tab.title, *tab.dataframe, *tab.button, *tab.text_input, *tab.markdown, *tab.selectbox]
        assert drawn == [], page


def test_the_navigation_names_no_page_to_a_user_who_is_signed_out(
    signed_out: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[Any] = []
    navigation: Any = st.navigation

    def record_pages(pages: list[Any], **options: Any) -> Any:
        offered.extend(pages)
        return navigation(pages, **options)

    monkeypatch.setattr(st, "navigation", record_pages)
    run(signed_out)
    assert {(page.title, page.icon) for page in offered} == {("Sign in", "")} and len(offered) == len(PAGES)


def test_a_page_without_a_person_shows_nothing_at_all(service: Service) -> None:
    for page in PAGES:
        script = f"import runpy\nrunpy.run_path({str(PROJECT / 'pages' / f'{page}.py')!r})"
        tab = run(AppTest.from_string(script, default_timeout=30))
        assert [list(part) for part in (tab.title, tab.dataframe, tab.markdown, tab.button)] == [[], [], [], []]


# The tables that each role can change by the grants of the database.
WRITABLE = """
    select role, n.nspname || '.' || c.relname
    from unnest(%s::text[]) role, pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('inventory', 'accounts', 'audit', 'runtime', 'public') and c.relkind in ('r', 'p', 'v')
        and (has_any_column_privilege('backstitch_' || role, c.oid, 'insert, update')
             or has_table_privilege('backstitch_' || role, c.oid, 'delete, truncate, trigger'))
"""
# The roles that may call each function that changes data or reads about other users.
CALLABLE = """
    select role from unnest(%s::text[]) role
    where has_function_privilege('backstitch_' || role, %s::regprocedure, 'execute')
"""
FUNCTIONS = {
    "accounts.change_password(text, text)": Permission.OWN_ACCOUNT,
    "accounts.end_sessions(bigint, bigint)": Permission.OWN_ACCOUNT,
    "accounts.live_sessions(boolean)": Permission.OWN_ACCOUNT,
    "accounts.my_activity(integer)": Permission.OWN_ACCOUNT,
    "accounts.sign_out()": Permission.OWN_ACCOUNT,
    "audit.checkpoint()": Permission.READ_TRAIL,
    "audit.delete_records(timestamptz, text, timestamptz, text[])": Permission.MANAGE_USERS,
    "audit.undo(bigint, timestamptz, bigint)": Permission.EDIT_INVENTORY,
    "accounts.unlock(bigint)": Permission.MANAGE_USERS,
    "accounts.locked_users()": Permission.MANAGE_USERS,
    "accounts.forget_user(bigint, text)": Permission.MANAGE_USERS,
    "inventory.forget_customer(bigint, text)": Permission.MANAGE_USERS,
    "inventory.forget_agency(bigint, text)": Permission.MANAGE_USERS,
    "audit.record_activity(text, text, bigint, jsonb)": Permission.READ_TRAIL,
}


def test_the_database_grants_each_role_what_the_table_says_and_no_more(clone: Clone) -> None:
    roles = [role.value for role in Role]
    with clone.superuser() as psql:
        writable: dict[str, set[str]] = {role: set() for role in roles}
        for role, table in psql.execute(WRITABLE, (roles,)).fetchall():
            writable[role].add(table)
        for role in Role:
            schemas = {table.partition(".")[0] for table in writable[role.value]}
            allowed = {"inventory"} if may(role, Permission.EDIT_INVENTORY) else set()
            assert schemas == allowed | ({"accounts"} if may(role, Permission.MANAGE_USERS) else set())
        assert {table for table in writable["admin"] if table.startswith("accounts.")} == {"accounts.users"}
        # The settings of an admin, and the data of an editor.
        assert {*writable["manager"]} < {*writable["admin"]}
        assert {"inventory.products", "inventory.inward_logs", "inventory.sales_logs"} <= writable["manager"]
        assert "inventory.reason_policies" not in writable["manager"]
        for function, permission in FUNCTIONS.items():
            found = {role for (role,) in psql.execute(CALLABLE, (roles, function)).fetchall()}
            assert found == {role.value for role in Role if may(role, permission)}, function
