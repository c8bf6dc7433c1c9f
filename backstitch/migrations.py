"""Brings a database up to this version: the revisions of db/migrations, the code of db/, the steps of db/steps."""

import logging
from functools import partial

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from packaging.version import InvalidVersion, Version
from sqlalchemy import Connection, text

from backstitch import __version__
from backstitch.audit import eras
from backstitch.audit.eras import Takeover
from backstitch.errors import StartError
from backstitch.request import Source, door
from backstitch.settings import PROJECT
from db import code

log = logging.getLogger(__name__)

SET_REQUEST = text(
    "select set_config('backstitch.source', :source, false), set_config('backstitch.request', :request, false)"
)
HAS_CODE = text("select to_regclass('public.backstitch_code') is not null")
VERSIONS = text("select distinct version from public.backstitch_code")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "db" / "migrations").replace("%", "%%"))
    return config


def newest_revision() -> str:
    """The revision that this version of Backstitch works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current_revision(connection: Connection) -> str | None:
    """The revision of the database; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def keeps_hashes(connection: Connection) -> bool:
    """Whether the database keeps the hashes of its code, as each one does that a released version has made."""
    return bool(connection.execute(HAS_CODE).scalar_one())


def is_current(connection: Connection) -> bool:
    """Whether the database is at the newest revision and keeps the hashes of this version's files."""
    return (
        current_revision(connection) == newest_revision()
        and keeps_hashes(connection)
        and code.applied(connection) == code.hashes()
    )


def upgrade(connection: Connection, *, reapply: bool = False, takeover: Takeover | None = None) -> None:
    """Runs the missing revisions on `connection`, which must be of a login that may create roles.

    Then applies the code, if a revision ran, a file differs from what the database keeps, or `reapply`; then begins an
    era of the trail, if it was restored; then takes the steps on data that it has not taken. All in one transaction.
    A restored trail is verified first, unless the caller has done so and gives its `takeover`. Raises StartError for a
    database that this version cannot bring up to date, and for a restored trail with findings.
    """
    config = _config()
    if current_revision(connection) is not None:
        _refuse_unknown(connection)
        takeover = takeover or eras.examine(connection)
    connection.rollback()  # ends the transaction in which that was read
    config.attributes["connection"] = connection
    config.attributes["before_revisions"] = partial(_prepare, reapply)
    config.attributes["after_revisions"] = partial(_bring_code, reapply, takeover)
    with door(Source.SYSTEM) as request:
        # For the whole migration: env.py makes its transactions, and resets the settings of the connection at its end.
        connection.execute(SET_REQUEST, {"source": request.source.value, "request": request.id})
        connection.commit()
        command.upgrade(config, "head")


def _refuse_unknown(connection: Connection) -> None:
    if not keeps_hashes(connection):
        raise StartError(
            "This database was made by Backstitch before version 0.9, which was never released, and cannot be brought "
            "up to date. Keep a dump of it if you need one, then start with an empty database, or, with the bundled "
            "server, with another BACKSTITCH_HOME."
        )
    for found in connection.execute(VERSIONS).scalars():
        if _is_newer(found):
            raise StartError(
                f"This database runs the code of Backstitch {found}, and this is {__version__}; install that "
                "version, or use another database."
            )


def _is_newer(version: str) -> bool:
    try:
        return Version(version) > Version(__version__)
    except InvalidVersion:
        return True  # none that this version knows how to name


def _prepare(reapply: bool, connection: Connection) -> None:
    if reapply or not is_current(connection):
        code.disable_event_triggers(connection)


def _bring_code(reapply: bool, takeover: Takeover | None, connection: Connection, a_revision_ran: bool) -> None:
    # Asked again: while this one waited for its turn, a newer version may have brought the database up.
    _refuse_unknown(connection)

    def begin_era() -> None:
        if takeover is not None:
            code.begin_era(connection, facts=takeover.details(), reason=takeover.reason)
            log.warning(
                "The database was restored or moved here: a new era of its trail begins, with %s records.",
                takeover.records,
            )

    is_behind = reapply or a_revision_ran or code.applied(connection) != code.hashes()
    if is_behind:
        code.apply(connection, version=__version__, begin_era=begin_era)
    else:
        begin_era()
    code.take_steps(connection)
    if is_behind:
        code.make_event_triggers(connection)
