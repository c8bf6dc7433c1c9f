"""Single sign-on: an OpenID Connect provider says who somebody is; who may come in, `accounts.users` says.

Optional: offered where Streamlit's secrets have a section `auth` (docs/operations.md). What comes of it is a session
like any other, on the same record.
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
    """Raises StartError where a provider is named, and the secret that signs what it said could be guessed."""
    if is_configured() and len(str(st.secrets["auth"].get("cookie_secret") or "")) < SHORTEST_SECRET:
        raise StartError(
            "The cookie_secret of the section auth in Streamlit's secrets.toml is too short to be a secret, and who "
            f"guesses it is whoever they like. Use {SHORTEST_SECRET} random characters or more, such as "
            '`python -c "import secrets; print(secrets.token_urlsafe(32))"` prints.'
        )


def offer(sign_in_as: Callable[[Assertion], str | None]) -> bool:
    """Draws the button that leads to the provider; True once who comes back from there is signed in."""
    said = assertion(st.user.to_dict(), datetime.now(UTC))
    if isinstance(said, Assertion) and st.session_state.get("assertion_tried") != said.identity:
        # Once: a provider's word is good for one sign-in.
        st.session_state["assertion_tried"] = said.identity
        cause = sign_in_as(said)
        if cause is None:
            return True
        if cause != ASSERTION_USED:
            said = f"No active user here has the address {said.email}. Ask an admin to add you."
    if isinstance(said, str):
        st.error(formats.plain(said), icon=":material/block:")
    if st.button("Sign in with single sign-on", icon=":material/login:", key="single_sign_on"):
        st.login()
    return False


def assertion(user: dict[str, Any], now: datetime) -> Assertion | str | None:
    """What the provider says of `st.user`; a sentence where that is not enough, None where it said nothing new."""
    issued = user.get("iat")
    if user.get("is_logged_in") is not True or not isinstance(issued, int | float):
        return None
    issued_at = datetime.fromtimestamp(issued, UTC)
    if abs(now - issued_at) > FRESH:
        return None
    email = user.get("email")
    # What the database cannot keep it would leave out, and find somebody else.
    if not isinstance(email, str) or not email.isprintable() or user.get("email_verified") is not True:
        return "The identity provider has not verified your email address. Sign in with a password, or ask an admin."
    identity = "\n".join(str(user.get(claim, "")) for claim in ("iss", "sub", "iat", "nonce", "jti", "at_hash"))
    return Assertion(email, identity, issued_at)


def sign_out() -> None:
    """Forgets after a sign-out what the provider said, and tells it where it wants to be told.

    The browser then leaves the page, so nothing may be left for it to do; and a run that starts at once would take back
    what tells it to.
    """
    if is_configured() and st.user.to_dict().get("is_logged_in") is True:
        st.logout()
