"""Brings a database up to this version: the revisions of db/migrations, the code of db/, the steps of db/steps."""

from functools import partial

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from packaging.version import InvalidVersion, Version
from sqlalchemy import Connection, text

from backstitch import __version__
from backstitch.errors import StartError
from backstitch.request import Source, door
from backstitch.settings import PROJECT
from db import code

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


def upgrade(connection: Connection, *, reapply: bool = False) -> None:
    """Runs the missing revisions on `connection`, which must be of a login that may create roles.

    Then applies the code, if a revision ran, a file differs from what the database keeps, or `reapply`; then begins an
    era of the trail, if the database comes from another server; then takes the steps on data that it has not taken. All
    in one transaction. Raises StartError for a database that this version cannot bring up to date.
    """
    config = _config()
    if current_revision(connection) is not None:
        _refuse_unknown(connection)
    connection.rollback()  # ends the transaction in which that was read
    config.attributes["connection"] = connection
    config.attributes["before_revisions"] = partial(_prepare, reapply)
    config.attributes["after_revisions"] = partial(_bring_code, reapply)
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


def _bring_code(reapply: bool, connection: Connection, a_revision_ran: bool) -> None:
    # Asked again: while this one waited for its turn, a newer version may have brought the database up.
    _refuse_unknown(connection)
    is_behind = reapply or a_revision_ran or code.applied(connection) != code.hashes()
    if is_behind:
        code.apply(connection, version=__version__)
    code.begin_era(connection)
    code.take_steps(connection)
    if is_behind:
        code.make_event_triggers(connection)
