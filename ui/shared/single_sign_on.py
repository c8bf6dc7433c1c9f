"""Single sign-on: an OpenID Connect provider identifies the person; `accounts.users` decides who may sign in.

Optional: offered where Streamlit's secrets have a section `auth` (docs/operations.md). It opens a session like any
other, recorded in the same way.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from backstitch.accounts.sessions import ASSERTION_USED, Assertion
from backstitch.errors import StartError
from ui.shared import formats

FRESH = timedelta(minutes=4)  # the database takes five
SHORTEST_SECRET = 32  # characters


def is_configured() -> bool:
    """Whether Streamlit's secrets name a provider."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def require_secret() -> None:
    """Raises StartError if a provider is configured with a cookie_secret that is short enough to be guessed."""
    if is_configured() and len(str(st.secrets["auth"].get("cookie_secret") or "")) < SHORTEST_SECRET:
        raise StartError(
            "The cookie_secret of the section auth in Streamlit's secrets.toml is too short to be a secret, and who "
            f"guesses it is whoever they like. Use {SHORTEST_SECRET} random characters or more, such as "
            '`python -c "import secrets; print(secrets.token_urlsafe(32))"` prints.'
        )


def offer(sign_in_as: Callable[[Assertion], str | None]) -> bool:
    """Draws the button that leads to the provider; True once the person who returns from there is signed in."""
    claim = assertion(st.user.to_dict(), datetime.now(UTC))
    if isinstance(claim, Assertion) and st.session_state.get("assertion_tried") != claim.identity:
        # Once: an assertion is good for one sign-in.
        st.session_state["assertion_tried"] = claim.identity
        cause = sign_in_as(claim)
        if cause is None:
            return True
        if cause != ASSERTION_USED:
            claim = f"No active user here has the address {claim.email}. Ask an admin to add you."
    if isinstance(claim, str):
        st.error(formats.plain(claim), icon=":material/block:")
    if st.button("Sign in with single sign-on", icon=":material/login:", key="single_sign_on"):
        st.login()
    return False


def assertion(user: dict[str, Any], now: datetime) -> Assertion | str | None:
    """The provider's assertion in `st.user`; a sentence if it does not suffice, None if there is no recent one."""
    issued = user.get("iat")
    if user.get("is_logged_in") is not True or not isinstance(issued, int | float):
        return None
    issued_at = datetime.fromtimestamp(issued, UTC)
    if abs(now - issued_at) > FRESH:
        return None
    email = user.get("email")
    # The database would drop characters that it cannot store, and find another user.
    if not isinstance(email, str) or not email.isprintable() or user.get("email_verified") is not True:
        return "The identity provider has not verified your email address. Sign in with a password, or ask an admin."
    identity = "\n".join(str(user.get(claim, "")) for claim in ("iss", "sub", "iat", "nonce", "jti", "at_hash"))
    return Assertion(email, identity, issued_at)


def sign_out() -> None:
    """Forgets the provider's assertion after a sign-out, and signs out at the provider if it offers that.

    This makes the browser leave the page: call it when the browser has nothing left to do, and start no rerun, which
    would cancel it.
    """
    if is_configured() and st.user.to_dict().get("is_logged_in") is True:
        st.logout()
