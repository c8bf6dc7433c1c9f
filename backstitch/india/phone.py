"""Indian mobile numbers: ten digits, however they were typed."""

import re

PREFIX = re.compile(r"(\+91|0091|91|0)(?=[0-9]{10}$)", re.ASCII)


def tidy_mobile(typed: str) -> str:
    """`+91 98200-12345` -> `9820012345`. What is no number stays as it is, for the database to refuse."""
    return PREFIX.sub("", re.sub(r"[\s().-]", "", typed))
