"""Normalises Indian mobile numbers to ten digits."""

import re

PREFIX = re.compile(r"(\+91|0091|91|0)(?=[0-9]{10}$)", re.ASCII)


def normalise_mobile(typed: str) -> str:
    """`+91 98200-12345` -> `9820012345`. The database refuses a text that is not a number; it is not checked here."""
    return PREFIX.sub("", re.sub(r"[\s().-]", "", typed))
