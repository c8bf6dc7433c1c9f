"""Reads the environment once into one typed, frozen object."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backstitch import company
from backstitch.company import Company
from backstitch.errors import StartError
from backstitch.queues import Limits

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """The settings. docs/operations.md lists the environment variable of each field.

    `home` is the folder of this installation: the bundled server's data and log, the cookie key, the password of the
    application's database login.
    """

    home: Path
    database_url: str | None
    timezone: ZoneInfo
    currency: str
    demo: bool
    session_lifetime: timedelta
    session_idle: timedelta = timedelta(hours=8)
    hosts: tuple[str, ...] = ()
    cookie_key: str | None = field(default=None, repr=False)
    single_sign_on_key: str | None = field(default=None, repr=False)
    app_password: str | None = field(default=None, repr=False)
    watch_password: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)
    app_connections: int | None = None
    company: Company = field(default_factory=Company)


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `environment`; raises StartError with a sentence for an invalid value."""
    return Settings(
        home=Path(environment.get("BACKSTITCH_HOME") or PROJECT / ".backstitch").expanduser().absolute(),
        database_url=environment.get("DATABASE_URL") or None,
        timezone=_timezone(environment.get("BACKSTITCH_TIMEZONE") or "Asia/Kolkata"),
        currency=environment.get("BACKSTITCH_CURRENCY") or "₹",
        demo=_flag("BACKSTITCH_DEMO", environment.get("BACKSTITCH_DEMO") or _demo_default(environment)),
        session_lifetime=_hours("BACKSTITCH_SESSION_HOURS", environment.get("BACKSTITCH_SESSION_HOURS") or "168"),
        session_idle=_hours("BACKSTITCH_IDLE_HOURS", environment.get("BACKSTITCH_IDLE_HOURS") or "8"),
        hosts=tuple(environment.get("BACKSTITCH_HOSTS", "").replace(",", " ").lower().split()),
        cookie_key=_secret("BACKSTITCH_COOKIE_KEY", environment),
        single_sign_on_key=_secret("BACKSTITCH_SINGLE_SIGN_ON_KEY", environment),
        app_password=environment.get("BACKSTITCH_APP_PASSWORD") or None,
        watch_password=environment.get("BACKSTITCH_WATCH_PASSWORD") or None,
        limits=_limits(environment),
        app_connections=_number("BACKSTITCH_APP_CONNECTIONS", environment, most=100_000),
        company=company.load(environment),
    )


def _demo_default(environment: Mapping[str, str]) -> str:
    # Somebody else's server is not the place for invented stock.
    return "no" if environment.get("DATABASE_URL") else "yes"


def _timezone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise StartError(
            f"BACKSTITCH_TIMEZONE is “{name}”, which is not a time zone; use a name such as Asia/Kolkata."
        ) from None


def _flag(variable: str, value: str) -> bool:
    choices = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if value.lower() not in choices:
        raise StartError(f"{variable} is “{value}”; use yes or no.")
    return choices[value.lower()]


def _secret(variable: str, environment: Mapping[str, str]) -> str | None:
    value = environment.get(variable) or None
    if value is not None and len(value) < 32:
        raise StartError(
            f"{variable} is too short to be a secret; use 32 random characters or more, "
            'such as `python -c "import secrets; print(secrets.token_urlsafe(32))"` prints.'
        )
    return value


def _limits(environment: Mapping[str, str]) -> Limits:
    named = {
        "heavy_at_once": _number("BACKSTITCH_SEARCHES", environment, most=100),
        "heavy_per_user": _number("BACKSTITCH_SEARCHES_PER_USER", environment, most=100),
        "heavy_seconds": _number("BACKSTITCH_READ_SECONDS", environment, most=3600),
        "exports_at_once": _number("BACKSTITCH_EXPORTS", environment, most=100),
    }
    return Limits(**{name: number for name, number in named.items() if number is not None})


def _number(variable: str, environment: Mapping[str, str], *, most: int) -> int | None:
    """A whole number from 1 to `most`; None if the variable is not set."""
    value = environment.get(variable)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= most):
        raise StartError(f"{variable} is “{value}”; use a whole number from 1 to {most:,}.")
    return int(value)


def _hours(variable: str, value: str) -> timedelta:
    try:
        hours = float(value)
    except ValueError:
        hours = 0
    if not 0 < hours <= 24 * 365:
        raise StartError(f"{variable} is “{value}”; use a number of hours between 0 and 8760.")
    return timedelta(hours=hours)
