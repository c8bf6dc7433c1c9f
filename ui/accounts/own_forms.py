"""What the account and the users page share: sessions, the password form, what happened to an account."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from backstitch import startup
from backstitch.accounts import browsers, passwords, sessions
from backstitch.accounts.sessions import AccountEvent, Session
from backstitch.errors import Refused
from ui import feedback
from ui.shared import formats, session

ENDING = "session_to_end"

ACTIONS = {
    "LOGIN": "Signed in",
    "LOGIN_FAILED": "Sign-in failed",
    "LOGIN_LOCKED": "Locked: too many failures",
    "LOGOUT": "Signed out",
    "SESSION_EXPIRED": "Session ended by itself",
    "PASSWORD_CHANGE": "Password changed",
    "CREATE": "User added",
    "UPDATE": "User changed",
    "MAINTENANCE": "Unlocked",
}


def sessions_table(listed: Sequence[Session], *, named: bool) -> None:
    """Sessions with a button each that ends it; `named` with their users."""
    table = formats.frame(listed, Session)
    table["browser"] = [browsers.in_words(shown.user_agent) for shown in listed]
    table["address"] = [shown.address or "this machine" for shown in listed]
    table["this"] = ["This browser" if shown.is_this else "" for shown in listed]
    table["end"] = ":material/logout: Sign out"
    key = "everybodys_sessions" if named else "own_sessions"
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        alt="Sessions that are signed in now",
        column_order=[*(["name"] if named else []), "browser", "this", "address", "last_seen_at", "created_at", "end"],
        column_config={
            "name": st.column_config.TextColumn("User", pinned=True),
            "browser": "Browser",
            "this": "",
            "address": "Address",
            "last_seen_at": moment("Last seen"),
            "created_at": moment("Signed in"),
            "end": st.column_config.ButtonColumn(
                "",
                key=f"{key}_end",
                type="tertiary",
                on_click=lambda: st.session_state.update({ENDING: listed[st.session_state[f"{key}_end"].row]}),
            ),
        },
    )


def end_chosen_session() -> None:
    """Ends the session whose button was pressed, if any."""
    chosen = st.session_state.pop(ENDING, None)
    if not isinstance(chosen, Session):
        return
    with feedback.refusals():
        with session.write("sign out a session") as connection:
            sessions.end_session(connection, session_id=chosen.id)
        if chosen.is_this:
            session.leave()
        else:
            feedback.done(f"{browsers.in_words(chosen.user_agent)} is signed out.")


def password_form(*, submit: str, done: str) -> None:
    """Asks for the present password and for a new one, twice; says `done` once it was changed."""
    # Fields with other keys take their place once they were used, so that no password stays behind in this tab.
    # And another button, so that a second click is none on empty fields.
    uses = st.session_state.setdefault("password_round", 0)
    with st.form("change_password", border=False):
        old = st.text_input(
            "Present password", type="password", key=f"password_old_{uses}", autocomplete="current-password"
        )
        new = st.text_input(
            "New password",
            type="password",
            key=f"password_new_{uses}",
            autocomplete="new-password",
            help=f"{passwords.SHORTEST} to {passwords.LONGEST} characters of any kind; several words make a good one.",
        )
        again = st.text_input(
            "New password again", type="password", key=f"password_again_{uses}", autocomplete="new-password"
        )
        submitted = st.form_submit_button(submit, type="primary", key=f"password_save_{uses}")
    if not submitted:
        return
    with feedback.refusals():
        if new != again:
            raise Refused("The new password was not typed the same way twice. Type it again.", rule="password_again")
        person = session.current()
        sessions.change_password(
            startup.current().database, person.actor, email=person.user.email, old=old or "", new=new or ""
        )
        st.session_state["password_round"] = uses + 1
        feedback.done(done)


def first_password() -> None:
    """All that a person sees whose password an admin has set: the form for one of their own."""
    with st.empty().container(horizontal_alignment="center"), st.container(width=420):
        st.title("Choose a password")
        st.caption("The one you signed in with was set by an admin. Choose one that only you know.")
        password_form(submit="Save and go on", done="Your password was changed.")


def activity_table(events: Sequence[AccountEvent]) -> None:
    """What happened to an account, newest first."""
    table = pd.DataFrame(
        {
            "at": [event.recorded_at for event in events],
            "what": [_what(event) for event in events],
            "from": [_where(event) for event in events],
        }
    )
    st.dataframe(
        table,
        key="account_activity",
        hide_index=True,
        alt="What happened to this account, newest first",
        column_config={"at": moment("Time"), "what": "What", "from": "From"},
    )


def _what(event: AccountEvent) -> str:
    what = ACTIONS.get(event.action, event.action)
    if event.action == "UPDATE":
        what = f"{what}: {', '.join(str(field).replace('_', ' ') for field in event.details.get('fields', []))}"
    cause = event.details.get("cause")
    by = event.by_user if event.action in {"CREATE", "UPDATE", "MAINTENANCE"} else None
    return f"{what}{f' ({cause})' if cause else ''}{f', by {by}' if by else ''}"


def _where(event: AccountEvent) -> str:
    parts = [browsers.in_words(event.user_agent) if event.user_agent else "", event.address or ""]
    return " · ".join(part for part in parts if part)


def moment(label: str) -> ColumnConfig:
    """A column of times in the business's zone."""
    return st.column_config.DatetimeColumn(label, format="DD MMM YYYY, HH:mm", timezone=str(formats.timezone()))
