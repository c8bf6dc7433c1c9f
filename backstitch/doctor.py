"""The doctor: what would let a change past the trail, found by the database (db/doctor.sql) and said in a table.

Start-up asks it too: an error stops the start with a sentence, a warning goes to the log.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from backstitch.errors import StartError

log = logging.getLogger(__name__)

# In the order of the checks.
FINDINGS = text("select check_name, severity, subject, problem, advice from audit.findings()")
# Reads the whole trail of the tables with personal columns, so start-up leaves it out.
PERSONAL_FINDINGS = text("select check_name, severity, subject, problem, advice from audit.personal_findings()")
MAY_READ_ALL = text("select has_function_privilege('audit.personal_findings()', 'execute')")
WORDS = {"ok": "OK", "warning": "warning", "error": "error"}


@dataclass(frozen=True)
class Finding:
    """What a check found; a check that found nothing is one with the severity ok and nothing else."""

    check: str
    severity: str
    subject: str | None
    problem: str | None
    advice: str | None

    @property
    def sentence(self) -> str:
        """`inventory.sales_logs is not watched, so its changes leave no record`; empty for an ok."""
        return f"{self.subject} {self.problem}" if self.subject else ""


def findings(connection: Connection, *, thorough: bool = False) -> list[Finding]:
    """What every check found, in the order of the checks; any login may ask.

    `thorough` adds what takes a reading of the trail, if the login may. Raises StartError when the database
    has no doctor.
    """
    try:
        found = [Finding(*row) for row in connection.execute(FINDINGS)]
    except ProgrammingError as error:
        raise StartError("The database is not up to date; run `python -m backstitch migrate`.") from error
    if thorough and connection.execute(MAY_READ_ALL).scalar_one():
        personal = [Finding(*row) for row in connection.execute(PERSONAL_FINDINGS)]
        found += personal or [Finding("personal values", "ok", None, None, None)]
    return found


def require_sound(connection: Connection) -> None:
    """Logs the warnings. Raises StartError for the first error."""
    found = findings(connection)
    for warning in (finding for finding in found if finding.severity == "warning"):
        log.warning("%s; %s.", warning.sentence, warning.advice)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        others = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StartError(
            f"The trail would not be complete: {errors[0].sentence}{others}; "
            "`python -m backstitch doctor` lists what to do."
        )


def report(found: Sequence[Finding]) -> str:
    """A line per finding: the check, OK or how bad it is, what, and below it what to do."""
    width = max(len(finding.check) for finding in found)
    lines = []
    for finding in found:
        lines.append(f"{finding.check:<{width}}  {WORDS[finding.severity]:<7}  {finding.sentence}".rstrip())
        if finding.advice:
            lines.append(f"{'':<{width}}           {finding.advice}")
    return "\n".join(lines)
