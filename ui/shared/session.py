"""Who sits in front of this browser tab, and the database with that person's rights.

streamlit-authenticator draws the form, and its component keeps the re-sign-in cookie; the database holds the truth.
The cookie alone opens nothing: the session in the database belongs to this browser's own HttpOnly
cookie (set by `ui.server.middleware`), and is checked at every run and at every transaction.
"""

import contextlib
import ipaddress
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import streamlit as st
import streamlit_authenticator as stauth
from sqlalchemy import Connection
from streamlit_authenticator.models import AuthenticationModel
from streamlit_authenticator.utilities import LoginError

from backstitch import installation, startup
from backstitch.accounts import sessions
from backstitch.accounts.permissions import Permission
from backstitch.accounts.sessions import Assertion, Browser, Locked, User
from backstitch.audit import undo
from backstitch.audit.undo import Undoable
from backstitch.database import SignedIn
from backstitch.errors import Refused, SignedOut
from ui import BROWSER_COOKIE, SIGN_IN_COOKIE
from ui.shared import cookies

log = logging.getLogger(__name__)

NOTE_USE = 60  # seconds between two notes in the database that a tab is in use
# Typed when a change was refused for want of a reason that its form does not ask for: the change and the reason.
GIVEN = "reason_given"
GIVEN_NOW = "reason_given_now"
LACKS_REASON = "lacks_reason"
WRITTEN = "written"
NOT_RIGHT = "Email or password is not right. Check both and try again."


@dataclass(frozen=True)
class Person:
    """The signed-in user and the session by which the database knows them."""

    user: User
    actor: SignedIn
    session_id: int


class _CheckedByDatabase(AuthenticationModel):  # type: ignore[misc]
    """The library's model of a sign-in, with one difference: the database checks the password."""

    def check_credentials(self, username: str, password: str) -> bool:
        """Whether the password is right; opens the session and hands the library this one user."""
        service = startup.current()
        try:
            right = sessions.sign_in(
                service.database,
                email=username,
                password=password,
                browser=_browser(),
                lifetime=service.settings.session_lifetime,
                idle_limit=service.settings.session_idle,
            )
        except Locked as locked:
            st.session_state["sign_in_refused"] = str(locked)
            return False
        if not right:
            st.session_state["sign_in_refused"] = NOT_RIGHT
            return False
        self.credentials["usernames"][username] = {"email": username, "name": username, "roles": []}
        return True


def _browser() -> Browser:
    """This browser: its secret cookie, or, where it refuses cookies, a secret for this tab only."""
    secret = st.context.cookies.get(BROWSER_COOKIE)
    if not isinstance(secret, str) or not secret:
        secret = st.session_state.setdefault("tab_secret", secrets.token_urlsafe(32))
    return Browser(
        secret=secret,
        address=_address(),
        user_agent=st.context.headers.get("User-Agent"),
    )


def _address() -> str | None:
    """The address of the browser; None for this machine, and for what is no address."""
    try:
        given = ipaddress.ip_address(st.context.ip_address or "")
    except ValueError:
        return None
    if isinstance(given, ipaddress.IPv6Address):
        # Proxies that serve both kinds tell ::ffff:203.0.113.5, which would make one network of all of IPv4; what
        # follows a % names a network card.
        given = given.ipv4_mapped or ipaddress.IPv6Address(int(given))
    return None if given.is_loopback else str(given)


def authenticator() -> stauth.Authenticate:
    """The library's form, cookie and sign-out button, made afresh each run with no credentials in it."""
    settings = startup.current().settings
    credentials: dict[str, dict[str, object]] = {"usernames": {}}
    # The library draws a component that would read the cookies in the browser, and run the script again when it
    # has, over whatever was clicked meanwhile. The connection brings the cookies, so it leaves before it loads.
    reader = st.empty()
    with reader:
        made = stauth.Authenticate(
            credentials,
            cookie_name=SIGN_IN_COOKIE,
            cookie_key=installation.cookie_key(settings),
            cookie_expiry_days=settings.session_lifetime / timedelta(days=1),
            auto_hash=False,
            login_sleep_time=0,
        )
    reader.empty()
    # The cookie is read here (ui/shared/cookies.py): the library raises for an odd one.
    made.cookie_controller.get_cookie = lambda: None
    # And set by keep_cookie: the library's names no session, and goes over plain HTTP too.
    made.cookie_controller.set_cookie = lambda: None
    made.authentication_controller.authentication_model = _CheckedByDatabase(credentials, auto_hash=False)
    return made


def _over_https() -> bool:
    """Whether the page came over HTTPS, as the browser says; the middleware has checked that the page is ours."""
    return (st.context.headers.get("Origin") or "").lower().startswith("https://")


def resume() -> Person | None:
    """The person of this tab, or of the browser's cookie after a reload; None when nobody is signed in."""
    email, session_id = st.session_state.get("username"), None
    if not email and not st.session_state.get("logout"):
        said = cookies.read(st.context.cookies.get(SIGN_IN_COOKIE))
        email, session_id = (said.email, said.session_id) if said else (None, None)
    if not email:
        return None
    person = _checked(email, session_id)
    if person is None:
        forget()
        return None
    st.session_state["username"] = email
    st.session_state["authentication_status"] = True
    return person


def _checked(email: str, session_id: int | None) -> Person | None:
    database, actor = startup.current().database, sessions.actor(_browser().secret, email, session_id)
    if time.monotonic() >= st.session_state.get("note_use_at", 0):
        # False for a session that is over, which is now on the record.
        if not sessions.mark_seen(database, actor):
            return None
        st.session_state["note_use_at"] = time.monotonic() + NOTE_USE
    try:
        with database.read(actor) as connection:
            user, session_id = sessions.current_user(connection), sessions.current_session(connection)
    except SignedOut:
        return None
    return Person(user, actor, session_id) if user else None


@st.fragment  # the browser's answer runs this alone, and so cannot take away what was clicked meanwhile
def keep_cookie(made: stauth.Authenticate) -> None:
    """Sets the cookie after a sign-in: drawn until the browser says it is done, lest a quick click take it away."""
    if st.session_state.get("cookie_due"):
        until = datetime.now(UTC) + startup.current().settings.session_lifetime
        sign_in = cookies.SignIn(st.session_state["username"], current().session_id)
        made.cookie_controller.cookie_model.cookie_manager.set(
            SIGN_IN_COOKIE, cookies.issued(sign_in, until), expires_at=until, secure=_over_https()
        )
        if st.session_state.get("set"):
            del st.session_state["cookie_due"]


@st.fragment
def drop_cookie(made: stauth.Authenticate, then: Callable[[], None]) -> None:
    """Deletes the cookie after a sign-out, in the same way; `then` may leave the page."""
    if st.session_state.get("cookie_over"):
        # The library's own list of cookies does not matter; the browser's does.
        with contextlib.suppress(KeyError):
            made.cookie_controller.cookie_model.cookie_manager.delete(SIGN_IN_COOKIE)
        if st.session_state.get("delete"):
            del st.session_state["cookie_over"]
            then()


def forget() -> None:
    """Drops what this tab remembers of the user; the cookie is not asked again in this tab."""
    for key in list(st.session_state):
        if key not in {"tab_secret", "assertion_tried"}:
            del st.session_state[key]
    st.session_state["logout"] = True


def leave() -> NoReturn:
    """Drops what this tab remembers of a user who has just been signed out, and the cookie; ends this run."""
    forget()
    st.session_state["cookie_over"] = True
    st.rerun()


def sign_in(made: stauth.Authenticate) -> bool:
    """Draws the form; True once the person is signed in."""
    with contextlib.suppress(LoginError):
        made.login(
            fields={"Form name": "Sign in", "Username": "Email", "Password": "Password", "Login": "Sign in"},
            key="sign_in",
        )
    refused = st.session_state.pop("sign_in_refused", None)
    if refused:
        st.error(refused, icon=":material/block:")
    return bool(st.session_state.get("authentication_status"))


def sign_in_as(said: Assertion) -> str | None:
    """Signs in whom the identity provider names; the tab then remembers them. Or says why not."""
    service = startup.current()
    cause = sessions.sign_in_by_provider(
        service.database,
        said,
        secret=installation.single_sign_on_key(service.settings),
        browser=_browser(),
        lifetime=service.settings.session_lifetime,
        idle_limit=service.settings.session_idle,
    )
    if cause is None:
        st.session_state["username"] = said.email.strip().lower()
        st.session_state["authentication_status"] = True
    return cause


def sign_out() -> None:
    """Ends the session in the database; the tab forgets the user."""
    person = current()
    with contextlib.suppress(SignedOut):
        sessions.sign_out(startup.current().database, person.actor)


def establish(person: Person) -> None:
    """Makes `person` the one whom this run of the script serves."""
    st.session_state["person"] = person


def current() -> Person:
    """The person of this run. Pages run only after `ui/main.py` has established one."""
    person = st.session_state.get("person")
    if not isinstance(person, Person):
        st.stop()
    return person


def require(permission: Permission) -> User:
    """First line of a page: the user, or a sentence and the end of the run."""
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


def last_written() -> Undoable | None:
    """What undoes the last change of this tab, until a run of its page came to its end."""
    found: Undoable | None = st.session_state.get(WRITTEN)
    return found


@contextmanager
def given_reason() -> Iterator[None]:
    """Around a run of the page. What was typed for want of a reason is good for the next run only, or it would be
    recorded as the reason of the next thing to be refused, which may be another."""
    st.session_state[GIVEN_NOW] = st.session_state.pop(GIVEN, None)
    try:
        yield
    finally:
        st.session_state.pop(GIVEN_NOW, None)  # a sign-out may have taken it


@contextmanager
def write(operation: str, *, of: object = None, reason: str | None = None) -> Iterator[Connection]:
    """A transaction as the signed-in user; `operation` says in words what it does.

    `reason` is None where the form does not ask for one: should a rule want one, `feedback.refusals` asks, and what
    was typed there is taken when the same is done again, to the same record, which `of` tells. What undoes it is there
    for `feedback.done` when it has committed. Within `feedback.refusals`, or a second click would end this run between
    the commit and what the page does about it.
    """
    change = (operation, of)
    st.session_state[LACKS_REASON] = change if reason is None else None
    # A dialog runs by itself, without the page around it.
    given = st.session_state.pop(GIVEN, None) or st.session_state.get(GIVEN_NOW)
    why = (reason or "").strip() or (given[1] if given and given[0] == change else None)
    try:
        with startup.current().database.transaction(current().actor, operation=operation, reason=why) as connection:
            yield connection
            undoable = undo.this_transaction(connection)
        st.session_state[WRITTEN] = undoable
    except Refused:
        st.session_state[GIVEN] = given  # for another try
        raise


def is_local() -> bool:
    """Whether the browser runs on this machine, as far as its address tells."""
    return _address() is None
