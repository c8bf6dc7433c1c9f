"""The person who uses this browser tab, and transactions with that person's rights.

streamlit-authenticator draws the sign-in form, and its component sets the cookie that signs the browser in again. That
cookie alone opens nothing: the session in the database belongs to this browser's own HttpOnly cookie (set by
`ui.server.middleware`), and the database checks it at every run and in every transaction.
"""

import contextlib
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st
import streamlit_authenticator as stauth
from sqlalchemy import Connection
from streamlit_authenticator.utilities import LoginError

from backstitch import installation, startup
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Permission
from backstitch.accounts.sessions import Assertion, Browser, Locked, User
from backstitch.audit import undo
from backstitch.audit.undo import Undoable
from backstitch.database import SignedIn
from backstitch.errors import Abandoned, Refused, SignedOut
from backstitch.request import Source
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE
from ui.server import library_patches
from ui.shared import cookies, unsaved

NOTE_USE = 60  # seconds after which a tab that is in use notes that in the database again
# Keys of st.session_state. A rule can want a reason for a change whose form does not ask for one; then the person types
# the reason below the refusal, and repeats the change. PENDING_REASON is the change with that reason, until the next
# run takes it as CURRENT_REASON.
CHANGE_WITHOUT_REASON = "change_without_reason"
PENDING_REASON = "pending_reason"
CURRENT_REASON = "current_reason"
LAST_WRITE = "last_write"
ENDED = "ended"  # on the sign-in page: the sentence that says why the session ended
# By the causes of accounts.why_ended. A user who has signed out is told nothing.
WHY_ENDED = {
    "deactivated": "your account was deactivated. Ask an admin if you need it.",
    "password": "your password was changed.",
    "role": "your role was changed.",
    "expired": "your session had expired.",
    "signed out": "you signed out in another tab.",
    "signed out elsewhere": "you ended this session elsewhere.",
    "signed out by an admin": "an admin ended this session.",
    "signed in again": "you signed in again in another tab.",
}
WRONG_PASSWORD = "Email or password is not right. Check both and try again."


@dataclass(frozen=True)
class Person:
    """The signed-in user and the session by which the database knows them."""

    user: User
    actor: SignedIn
    session_id: int


def _check_password(email: str, password: str) -> bool:
    """Whether the database accepts the password; if so, opens the session."""
    service = startup.current()
    try:
        is_right = sessions.sign_in(
            service.database,
            email=email,
            password=password,
            browser=_browser(),
            lifetime=service.settings.session_lifetime,
            idle_limit=service.settings.session_idle,
        )
    except Locked as locked:
        st.session_state["sign_in_refused"] = str(locked)
        return False
    if not is_right:
        st.session_state["sign_in_refused"] = WRONG_PASSWORD
    return is_right


def _browser() -> Browser:
    """This browser with the secret of its cookie; one that refuses cookies gets a secret for this tab only."""
    secret = st.context.cookies.get(BROWSER_COOKIE)
    if not isinstance(secret, str) or not secret:
        secret = st.session_state.setdefault("tab_secret", secrets.token_urlsafe(32))
    return Browser(
        secret=secret,
        address=_address(),
        user_agent=st.context.headers.get("User-Agent"),
    )


def _address() -> str | None:
    """The address of the browser; None for this machine, and for a text that is no address."""
    try:
        address = ipaddress.ip_address(st.context.ip_address or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # Proxies that serve both kinds report ::ffff:203.0.113.5, which would make one network of all of IPv4. The
        # part after a % names a network card.
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return None if address.is_loopback else str(address)


def authenticator() -> stauth.Authenticate:
    """The library's form, cookie and sign-out button, made afresh each run."""
    settings = startup.current().settings
    return library_patches.authenticator(
        cookie_key=installation.cookie_key(settings), lifetime=settings.session_lifetime, check=_check_password
    )


def _over_https() -> bool:
    """Whether the page came over HTTPS, as the browser says; the middleware has checked that the page is ours."""
    return (st.context.headers.get("Origin") or "").lower().startswith("https://")


def resume() -> Person | None:
    """The person of this tab, or of the browser's cookie after a reload; None when nobody is signed in."""
    email, session_id = st.session_state.get("username"), None
    if not email and not st.session_state.get("logout"):
        cookie = cookies.decode(st.context.cookies.get(SIGN_IN_COOKIE))
        email, session_id = (cookie.email, cookie.session_id) if cookie else (None, None)
    if not email:
        return None
    person = _find_person(email, session_id)
    if person is None:
        end(email, session_id)
        return None
    st.session_state["username"] = email
    st.session_state["authentication_status"] = True
    return person


def _find_person(email: str, session_id: int | None) -> Person | None:
    """The person whose session is live in the database; None for a session that is over."""
    database, actor = startup.current().database, sessions.actor(_browser().secret, email, session_id)
    if time.monotonic() >= st.session_state.get("note_use_at", 0):
        # It returns False for a session that is over, and records that.
        if not sessions.mark_seen(database, actor):
            return None
        st.session_state["note_use_at"] = time.monotonic() + NOTE_USE
    try:
        with database.session(actor) as connection:
            user, session_id = sessions.current_user(connection), sessions.current_session(connection)
    except SignedOut:
        return None
    return Person(user, actor, session_id) if user else None


@st.fragment  # the browser's answer reruns this fragment alone, so it cannot cancel a click that comes meanwhile
def keep_cookie(library: stauth.Authenticate) -> None:
    """Sets the cookie after a sign-in. Draws its element until the browser has answered, or a quick click would remove
    it before it works."""
    if st.session_state.get("cookie_due"):
        until = datetime.now(UTC) + startup.current().settings.session_lifetime
        token = cookies.encode(cookies.SignIn(st.session_state["username"], current().session_id), until)
        if library_patches.set_cookie(library, token, until=until, secure=_over_https()):
            del st.session_state["cookie_due"]


@st.fragment
def drop_cookie(library: stauth.Authenticate, then: Callable[[], None]) -> None:
    """Deletes the cookie after a sign-out, in the same way, and then calls `then`, which may leave the page."""
    if st.session_state.get("cookie_over") and library_patches.delete_cookie(library):
        del st.session_state["cookie_over"]
        then()


def end(email: str, session_id: int | None = None) -> None:
    """Removes a user whose session has ended from this tab; keeps what was typed, and the sentence that says why."""
    was = st.session_state.get("person")
    actor = sessions.actor(_browser().secret, email, was.session_id if isinstance(was, Person) else session_id)
    cause = sessions.why_ended(startup.current().database, actor)
    if isinstance(was, Person):
        unsaved.end(actor.token)
    forget()
    why = f"You were signed out because {WHY_ENDED[cause]}" if cause else "Your session has ended."
    offer = "Sign in again, and what you typed is there." if unsaved.is_left_behind(actor.token) else "Sign in again."
    st.session_state[ENDED] = why if cause == "deactivated" else f"{why} {offer}"


def end_current() -> NoReturn:
    """Ends this run for a user whose session turned out to have ended: the next one shows the sign-in."""
    end(current().user.email)
    st.rerun()


def why_ended() -> str | None:
    """The sentence for the sign-in page that says why the session ended; None if there was none."""
    sentence: str | None = st.session_state.get(ENDED)
    return sentence


def keep_typed() -> None:
    """At the end of each run: keeps what was typed, for when the session ends or the server starts again."""
    person = st.session_state.get("person")
    if isinstance(person, Person):
        unsaved.keep(person.actor.token)


def forget() -> None:
    """Removes the user from the state of this tab, which does not read the cookie again."""
    for key in list(st.session_state):
        if key not in {"tab_secret", "assertion_tried"}:
            del st.session_state[key]
    st.session_state["logout"] = True


def leave() -> NoReturn:
    """Removes a user who has just signed out from this tab, with the cookie and what was typed, and ends this run."""
    unsaved.discard(current().actor.token)
    forget()
    st.session_state["cookie_over"] = True
    st.rerun()


def sign_in(library: stauth.Authenticate) -> bool:
    """Draws the form; True once the person is signed in."""
    with contextlib.suppress(LoginError):
        library.login(
            fields={"Form name": "Sign in", "Username": "Email", "Password": "Password", "Login": "Sign in"},
            key="sign_in",
        )
    refused = st.session_state.pop("sign_in_refused", None)
    if refused:
        st.error(refused, icon=":material/block:")
    return bool(st.session_state.get("authentication_status"))


def sign_in_as(assertion: Assertion) -> str | None:
    """Signs in the person whom the identity provider names; returns the cause where it cannot."""
    service = startup.current()
    cause = sessions.sign_in_by_provider(
        service.database,
        assertion,
        secret=installation.single_sign_on_key(service.settings),
        browser=_browser(),
        lifetime=service.settings.session_lifetime,
        idle_limit=service.settings.session_idle,
    )
    if cause is None:
        st.session_state["username"] = assertion.email.strip().lower()
        st.session_state["authentication_status"] = True
    return cause


def sign_out() -> None:
    """Ends the session in the database; `leave` removes the user from the tab."""
    person = current()
    with contextlib.suppress(SignedOut):
        sessions.sign_out(startup.current().database, person.actor)


def establish(person: Person) -> None:
    """Sets the person whom this run of the script serves, and puts back what they had typed in an earlier session."""
    is_new = "person" not in st.session_state
    st.session_state["person"] = person
    st.session_state.pop(ENDED, None)
    if is_new:
        unsaved.restore(person.actor.token)


def current() -> Person:
    """The person of this run; `ui/main.py` establishes one before a page runs."""
    person = st.session_state.get("person")
    if not isinstance(person, Person):
        st.stop()
    return person


def require(permission: Permission) -> User:
    """Returns the user, or ends the run with a sentence; the first line of every page."""
    user = current().user
    if not user.may(permission):
        st.error("Your role does not include this page. Ask an admin if you need it.", icon=":material/lock:")
        st.stop()
    return user


@contextmanager
def read() -> Iterator[Connection]:
    """A read-only transaction with the rights of the signed-in user."""
    with startup.current().database.read(current().actor) as connection:
        yield connection


@contextmanager
def heavy() -> Iterator[Connection]:
    """As `read`, for questions that can take seconds: they wait their turn, which the page tells.

    When the tab is closed or another run replaces this one, the question gives up its place or is cancelled in the
    database, and this run ends. Call it outside of `feedback.refusals`, which would hold that back.
    """
    person, place = current(), st.empty()

    def tell(ahead: int) -> None:
        noun = "search is" if ahead == 1 else "searches are"
        place.caption(f":material/hourglass: {ahead:,} {noun} ahead of yours.")

    try:
        with startup.current().database.heavy(
            person.actor, user=person.user.id, waiting=tell, abandoned=library_patches.abandonment()
        ) as connection:
            place.empty()
            yield connection
    except Abandoned:
        place.empty()  # here Streamlit begins the run that replaces this one
        st.stop()


def last_write() -> Undoable | None:
    """The last change of this tab, to be undone; None once a run of the page has come to its end."""
    change: Undoable | None = st.session_state.get(LAST_WRITE)
    return change


@contextmanager
def pending_reason() -> Iterator[None]:
    """Around a run of the page: offers a reason that was typed below a refusal to this run only.

    A later refusal may be of another change, which would be recorded with this reason.
    """
    st.session_state[CURRENT_REASON] = st.session_state.pop(PENDING_REASON, None)
    try:
        yield
    finally:
        st.session_state.pop(CURRENT_REASON, None)  # a sign-out may have removed it


@contextmanager
def write(
    operation: str, *, of: object = None, reason: str | None = None, source: Source | None = None
) -> Iterator[Connection]:
    """A transaction as the signed-in user; `operation` says in words what it does, `source` if not a page's form does.

    `reason` is None where the form does not ask for one. If a rule wants one, `feedback.refusals` asks for it, and the
    same operation on the same record, which `of` identifies, takes that reason. After the commit, `feedback.done` finds
    the change to undo in `last_write`. Call it within `feedback.refusals`, or a second click would end this run between
    the commit and what the page does about it.
    """
    change = (operation, of)
    st.session_state[CHANGE_WITHOUT_REASON] = change if reason is None else None
    # A dialog runs by itself, without the page around it.
    pending = st.session_state.pop(PENDING_REASON, None) or st.session_state.get(CURRENT_REASON)
    why = (reason or "").strip() or (pending[1] if pending and pending[0] == change else None)
    try:
        with startup.current().database.transaction(
            current().actor, operation=operation, reason=why, source=source
        ) as connection:
            yield connection
            undoable = undo.this_transaction(connection)
        st.session_state[LAST_WRITE] = undoable
    except Refused:
        st.session_state[PENDING_REASON] = pending  # for another try
        raise


def is_local() -> bool:
    """Whether the browser runs on this machine, as far as its address shows."""
    return _address() is None
