"""The dialogs in which an admin adds users, edits, unlocks and forgets them, and resets their passwords."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st

from backstitch import lengths
from backstitch.accounts import passwords, sessions, users
from backstitch.accounts.permissions import Permission, Role
from backstitch.accounts.users import UserLine
from backstitch.errors import StaleEdit
from backstitch.inventory.reasons import LONGEST_REASON
from ui import feedback
from ui.shared import active_switch, formats, session, single_sign_on, versions
from ui.shared.dialogs import Dialog

# The subject is "new", a UserLine as it was read, or a OneTimePassword.
DIALOG = Dialog("user_dialog")
ON_RECORD = {"type": "User"}
ROLES = list(Role)


@dataclass(frozen=True)
class OneTimePassword:
    """A password for another user, which the admin sees once and hands over."""

    name: str
    password: str


def open_new() -> None:
    """Opens the dialog for a new user."""
    DIALOG.open("new")


def open_user(line: UserLine) -> None:
    """Opens the dialog for a user of the list."""
    DIALOG.open(line)


def show_open() -> None:
    """Draws the dialog that is open, if any."""
    opened = DIALOG.opened()
    if opened == "new":
        _add()
    elif isinstance(opened, UserLine):
        _edit(opened)
    elif isinstance(opened, OneTimePassword):
        _show_password(opened)


# Not dismissible: neither a reload nor a visit to another page would show the password again.
@st.dialog("One-time password", icon=":material/key:", dismissible=False)
def _show_password(issued: OneTimePassword) -> None:
    st.text(f"For {issued.name}, to sign in with once and then replace:")
    st.code(issued.password, language=None)
    st.caption("It is shown only now. Hand it over in person or by telephone, not by mail.")
    if st.button("I have it", type="primary", key="one_time_password_noted"):
        DIALOG.close()
        st.rerun()


@st.dialog("Add user", icon=":material/person_add:", on_dismiss=DIALOG.close)
def _add() -> None:
    with st.form("new_user", border=False):
        name = st.text_input("Name", key="new_user_name", max_chars=lengths.NAME)
        email = st.text_input("Email", key="new_user_email", max_chars=lengths.EMAIL)
        role = st.selectbox("Role", ROLES, len(ROLES) - 1, format_func=_role, key="new_user_role")
        reason = st.text_input("Reason", key="new_user_reason", max_chars=LONGEST_REASON)
        single_sign_on_only = single_sign_on.is_configured() and st.checkbox(
            "Signs in with single sign-on only, without a password here", key="new_user_outside"
        )
        submitted = st.form_submit_button("Add user", type="primary", key="new_user_save")
    if submitted:
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            password = None if single_sign_on_only else passwords.one_time()
            with session.write("add user", reason=reason) as connection:
                users.create_user(
                    connection,
                    email=email or "",
                    name=name or "",
                    role=role,
                    password=password,
                    must_change_password=not single_sign_on_only,
                )
            if password is None:
                DIALOG.close()
                feedback.done(f"{name} was added.", on_record=ON_RECORD)
            else:
                _open_password(name or "", password, f"{name} was added.")


@st.dialog("User", icon=":material/person:", on_dismiss=DIALOG.close)
def _edit(line: UserLine) -> None:
    st.subheader(formats.plain(line.name))
    is_own_account = line.id == session.current().user.id
    with st.form("edit_user", border=False):
        name = st.text_input("Name", line.name, key=f"edit_user_name_{line.id}", max_chars=lengths.NAME)
        email = st.text_input("Email", line.email, key=f"edit_user_email_{line.id}", max_chars=lengths.EMAIL)
        role = st.selectbox("Role", ROLES, ROLES.index(line.role), format_func=_role, key=f"edit_user_role_{line.id}")
        reason = st.text_input(
            "Reason", key=f"edit_user_reason_{line.id}", help="A change of role needs one.", max_chars=LONGEST_REASON
        )
        submitted = st.form_submit_button("Save", type="primary", key="edit_user_save")
    if submitted:
        with _show_stale_edits(), feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            with session.write("edit user", reason=reason) as connection:
                users.edit_user(connection, read=line, email=email or "", name=name or "", role=role)
            DIALOG.close()
            if role != line.role:
                feedback.done(f"{name} was saved. Every session of theirs was signed out.", on_record=ON_RECORD)
            feedback.saved(name or "", entity="User", on_record=ON_RECORD)
    with st.container(horizontal=True):
        _switch(line)
        if not is_own_account:
            _reset(line)
        if line.locked_until:
            _unlock(line)
        _sign_out(line)
    if not is_own_account:
        _forget(line)


def _switch(line: UserLine) -> None:
    if switch := active_switch.button(
        "user",
        is_active=line.is_active,
        key="edit_user_active",
        subject=line.id,
        entity="User",
        effect=f"{line.name} is signed out everywhere and cannot sign in. What they did stays on the record, and they "
        "can be taken back into use.",
    ):
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            with session.write(switch.operation, of=line.id, reason=switch.reason) as connection:
                users.set_active(connection, user_id=line.id, is_active=not line.is_active)
            DIALOG.close()
            feedback.done(f"{line.name} was {switch.outcome}.", on_record=ON_RECORD)


def _reset(line: UserLine) -> None:
    if st.button("Reset password", icon=":material/key:", key="edit_user_reset"):
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            password = passwords.one_time()
            with session.write("reset password") as connection:
                users.reset_password(connection, user_id=line.id, password=password)
            _open_password(line.name, password, f"{line.name} has a one-time password.")


def _open_password(name: str, password: str, sentence: str) -> NoReturn:
    DIALOG.open(OneTimePassword(name, password))
    feedback.done(sentence, on_record=ON_RECORD)


def _unlock(line: UserLine) -> None:
    if st.button("Unlock", icon=":material/lock_open:", key="edit_user_unlock"):
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            with session.write("unlock user") as connection:
                users.unlock(connection, user_id=line.id)
            DIALOG.close()
            feedback.done(f"{line.name} can sign in again.", on_record=ON_RECORD)


def _sign_out(line: UserLine) -> None:
    if st.button("Sign out everywhere", icon=":material/logout:", key="edit_user_sign_out"):
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            with session.write("sign out everywhere") as connection:
                ended = sessions.end_sessions_of(connection, user_id=line.id)
            DIALOG.close()
            feedback.done(
                f"{formats.counted(ended, 'session')} of {line.name} signed out.", on_record={"type": "Session"}
            )


def _forget(line: UserLine) -> None:
    with st.expander("Forget this person", icon=":material/person_off:"), st.form("forget_user", border=False):
        st.caption(
            "Name and email are replaced by a pseudonym wherever the trail shows them. The trail keeps what was done. "
            "Nothing brings the name back."
        )
        reason = st.text_input("Reason, without the name", key=f"forget_reason_{line.id}", max_chars=LONGEST_REASON)
        submitted = st.form_submit_button("Forget", key="forget_save")
    if submitted:
        with feedback.refusals():
            session.require(Permission.MANAGE_USERS)
            with session.write("forget user", reason=reason) as connection:
                mentions = users.forget_user(connection, user_id=line.id, reason=reason or "")
            DIALOG.close()
            mentions_note = f" Free text in {formats.counted(mentions, 'record')} still names them." if mentions else ""
            feedback.done(f"The person was forgotten.{mentions_note}", on_record=ON_RECORD)


@contextmanager
def _show_stale_edits() -> Iterator[None]:
    """Shows a refusal because somebody else changed the user."""
    try:
        yield
    except StaleEdit as stale:
        versions.show_stale(stale)


def _role(role: Role) -> str:
    return role.value.capitalize()
