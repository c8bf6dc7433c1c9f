"""Makes the folder of an installation (BACKSTITCH_HOME), and reads and makes the secrets in it."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backstitch.errors import StartError
from backstitch.settings import Settings


def prepare_home(home: Path) -> None:
    """Makes the folder of this installation, readable only by this account."""
    with _translate_errors(home):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "secrets").mkdir(exist_ok=True, mode=0o700)


@contextmanager
def _translate_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartError(
            f"Cannot write to {home} ({error.strerror}); set BACKSTITCH_HOME to a folder that you may write to."
        ) from error


def secret(home: Path, name: str) -> str:
    """The secret `name` of this installation: 32 random bytes as text, made at first use with mode 0600."""
    path = home / "secrets" / name
    if not path.exists():
        with _translate_errors(home), tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as fresh:
            fresh.write(secrets.token_urlsafe(32))
            fresh.flush()
            os.fsync(fresh.fileno())
            # A link appears with its whole content, and never replaces a file that another process made first.
            with contextlib.suppress(FileExistsError):
                os.link(fresh.name, path)
    return path.read_text(encoding="ascii")


def cookie_key(settings: Settings) -> str:
    """The key that signs the sign-in cookies: that of the settings, or this installation's own."""
    return settings.cookie_key or secret(settings.home, "cookie_key")


def single_sign_on_key(settings: Settings) -> str:
    """The secret with which the application vouches to the database for the identity provider."""
    return settings.single_sign_on_key or secret(settings.home, "single_sign_on")
