"""A finding of the doctor, and the commands that it advises."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

OWNER = "set role backstitch_owner"
MIGRATE = "run: python -m backstitch migrate"
REAPPLY = "run: python -m backstitch migrate --reapply"


@dataclass(frozen=True)
class Finding:
    """What a check found; a check that found nothing is one with the severity ok and nothing else.

    An `error` stops the start, a `warning` is logged there, a `notice` only stands in the report.
    """

    check: str
    severity: str
    subject: str | None = None
    problem: str | None = None
    advice: str | None = None

    @property
    def sentence(self) -> str:
        """`inventory.sales_logs is not watched, so its changes leave no record`; empty for an ok."""
        return f"{self.subject} {self.problem}" if self.subject else ""


def ok(check: str) -> Finding:
    """The finding of a check that found nothing."""
    return Finding(check, "ok")


def or_ok(check: str, found: Iterable[Finding]) -> list[Finding]:
    """The findings of a check, or its ok."""
    return [*found] or [ok(check)]


def psql(*statements: str) -> str:
    """Advice to run statements, one after the other in one session, with DATABASE_URL's login."""
    return "run: python -m backstitch psql " + " ".join(f"-c {_quoted(statement)}" for statement in statements)


def if_unwanted(why: str, *statements: str) -> str:
    """Advice on what an administrator may have made: the command to take it away, if `why`."""
    return f"{why}, {psql(*statements)}"


def identifier(name: str) -> str:
    """The name as SQL has it: `backstitch`, `"My shop"`."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """The text as SQL has it; doubled quotes, which are right where the text has no backslash."""
    return "'" + value.replace("'", "''") + "'"


def _quoted(statement: str) -> str:
    """The statement as a shell takes it; names that need quotes keep them."""
    if re.search(r"[\\$`!]", statement):
        return shlex.quote(statement)
    return '"' + statement.replace('"', r"\"") + '"'
