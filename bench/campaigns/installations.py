"""Starts the real app, with users and without demo data, for campaigns that go through the pages."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from backstitch import startup
from backstitch.accounts import passwords, users
from backstitch.accounts.permissions import Role
from backstitch.database import Database, System
from backstitch.postgres import server as postgres_server
from tests import homes
from tests.e2e.app_process import App

PASSWORD = "a lorry of mustard cotton"


@dataclass(frozen=True)
class Installation:
    """A running app, its address and folder, and a connection to its database as owner."""

    app: App
    home: Path
    url: str
    psql: "psycopg.Connection[Any]"


@contextmanager
def running(people: Sequence[tuple[str, Role]]) -> Iterator[Installation]:
    """A running app with these users, whose password is PASSWORD."""
    folder = Path(tempfile.mkdtemp(prefix="backstitch-campaign-"))
    home = folder / "home"
    app = App(home)
    try:
        app.ready()
        with postgres_server.start(home) as lease:
            owner = Database(lease.server.url(startup.DATABASE_NAME))
            password_hash = passwords.hash_password(PASSWORD)
            with owner.transaction(System(), operation="users of the campaign") as connection:
                for email, role in people:
                    users.create_user(connection, email=email, name=email.partition("@")[0], role=role, password=None)
                connection.exec_driver_sql("update accounts.users set password_hash = %s", (password_hash,))
            owner.dispose()
            conninfo = lease.server.conninfo(startup.DATABASE_NAME)
            with psycopg.connect(conninfo, autocommit=True) as psql:
                yield Installation(app, home, f"http://localhost:{app.port}", psql)
            app.stop()
    finally:
        if app.process.poll() is None:
            app.kill()
        homes.clear(home)
        shutil.rmtree(folder, ignore_errors=True)
