"""Brings a database up to the newest revision of db/migrations."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from backstitch.settings import PROJECT


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


def upgrade(connection: Connection) -> None:
    """Runs the missing migrations on `connection`, which must be of a login that may create roles."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
