"""Formats of values on screen: money, dates, quantities; and data frames of records."""

import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from backstitch import startup
from backstitch.india import money as india_money

DATE = "DD MMM YYYY"


def timezone() -> ZoneInfo:
    """The business's zone."""
    return startup.current().settings.timezone


def today() -> date:
    """Today's date in the business's zone."""
    return datetime.now(timezone()).date()


def currency() -> str:
    """The symbol of the business's currency."""
    return startup.current().settings.currency


def money(value: Decimal) -> str:
    """An amount of money with its currency, as `₹2,54,624.00`."""
    return india_money.money(value, currency=currency())


def money_format() -> str:
    """The number format of a column of money, for column_config."""
    return f"{currency()} %,.2f"


def frame(records: Iterable[Any], kind: type) -> pd.DataFrame:
    """A DataFrame of dataclass instances with a column per field of `kind`, also when there are no instances."""
    return pd.DataFrame([vars(record) for record in records], columns=[field.name for field in fields(kind)])


def counted(count: int, noun: str) -> str:
    """`1 piece`, `12 pieces`, `3 entries`."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The regular plural of an English noun."""
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def plain(text: str) -> str:
    """`text` escaped for Markdown: names and SKUs come from data and may look like markup."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|$:~^=&@/])", r"\\\1", text)
