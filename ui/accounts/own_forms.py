"""Tables of sessions and account events, and the password form, for the pages My account and Users."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from backstitch import startup
from backstitch.accounts import browsers, passwords, sessions
from backstitch.accounts.sessions import AccountEvent, Session
from backstitch.audit.wording import action_word
from backstitch.errors import Refused
from ui import feedback
from ui.shared import formats, session

SESSION_TO_END = "session_to_end"

ACTION_LABELS = {
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


def sessions_table(rows: Sequence[Session], *, named: bool) -> None:
    """Draws the sessions, each with a button that ends it; with the users' names if `named`."""
    table = formats.frame(rows, Session)
    table["browser"] = [browsers.in_words(row.user_agent) for row in rows]
    table["address"] = [row.address or "this machine" for row in rows]
    table["this"] = ["This browser" if row.is_this else "" for row in rows]
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
            "last_seen_at": time_column("Last seen"),
            "created_at": time_column("Signed in"),
            "end": st.column_config.ButtonColumn(
                "",
                key=f"{key}_end",
                type="tertiary",
                on_click=lambda: st.session_state.update({SESSION_TO_END: rows[st.session_state[f"{key}_end"].row]}),
            ),
        },
    )


def end_chosen_session() -> None:
    """Ends the session whose button the user pressed, if any."""
    chosen = st.session_state.pop(SESSION_TO_END, None)
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
    """Draws the form to change the user's password; shows the sentence `done` after the change."""
    # After a change the fields get new keys, so that no password stays in this tab's state; and the button gets one, so
    # that a second click does not submit the empty fields.
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


def own_password_form() -> None:
    """Draws the password form for a user whose password an admin has set, in place of any page."""
    with st.empty().container(horizontal_alignment="center"), st.container(width=420):
        st.title("Choose a password")
        st.caption("The one you signed in with was set by an admin. Choose one that only you know.")
        password_form(submit="Save and go on", done="Your password was changed.")


def activity_table(events: Sequence[AccountEvent]) -> None:
    """Draws the events of an account, newest first."""
    table = pd.DataFrame(
        {
            "at": [event.recorded_at for event in events],
            "what": [_description(event) for event in events],
            "from": [_origin(event) for event in events],
        }
    )
    st.dataframe(
        table,
        key="account_activity",
        hide_index=True,
        alt="What happened to this account, newest first",
        column_config={"at": time_column("Time"), "what": "What", "from": "From"},
    )


def _description(event: AccountEvent) -> str:
    text = ACTION_LABELS.get(event.action) or action_word(event.action)
    if event.action == "UPDATE":
        text = f"{text}: {', '.join(str(field).replace('_', ' ') for field in event.details.get('fields', []))}"
    cause = event.details.get("cause")
    author = event.by_user if event.action in {"CREATE", "UPDATE", "MAINTENANCE"} else None
    return f"{text}{f' ({cause})' if cause else ''}{f', by {author}' if author else ''}"


def _origin(event: AccountEvent) -> str:
    parts = [browsers.in_words(event.user_agent) if event.user_agent else "", event.address or ""]
    return " · ".join(part for part in parts if part)


def time_column(label: str) -> ColumnConfig:
    """The column_config of a column of times in the business's zone."""
    return st.column_config.DatetimeColumn(label, format="DD MMM YYYY, HH:mm", timezone=str(formats.timezone()))
