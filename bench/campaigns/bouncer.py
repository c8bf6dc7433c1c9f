"""Runs Debian's PgBouncer in transaction mode in front of a database, on a private socket, under a plain account."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from bench.campaigns import servers
from bench.campaigns.shop import Connection

PORT = 6432  # names the socket's file; no TCP port is opened


def program() -> str | None:
    """The path of PgBouncer; None if it is not installed."""
    return shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))


@contextmanager
def pgbouncer(psql: Connection, app_url: URL, *, server_connections: int = 1) -> Iterator[URL]:
    """The application's URL through a PgBouncer with `server_connections` connections to the server.

    `psql` is a superuser's connection: PgBouncer checks the client's password against the secret in pg_authid.
    """
    binary = program()
    assert binary, "pgbouncer is missing"
    host = str(app_url.query["host"])
    # Only the account of the server may use its socket.
    account = pwd.getpwuid(Path(host).stat().st_uid) if os.geteuid() == 0 else None
    found = psql.execute("select rolname, rolpassword from pg_authid where rolname = %s", (app_url.username,))
    (login, secret) = found.fetchone() or ("", "")
    with servers.private_folder(account) as folder:
        (folder / "users.txt").write_text(f'"{login}" "{secret}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={host} port={app_url.query.get("port", "5432")}
[pgbouncer]
pool_mode = transaction
default_pool_size = {server_connections}
max_client_conn = 100
listen_addr =
listen_port = {PORT}
unix_socket_dir = {folder}
auth_type = scram-sha-256
auth_file = {folder}/users.txt
logfile = {folder}/log
"""
        )
        for name in ("users.txt", "pgbouncer.ini"):
            if account:
                os.chown(folder / name, account.pw_uid, account.pw_gid)
        process = subprocess.Popen(
            [binary, "-q", str(folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **servers.identity(account),
        )
        try:
            servers.wait_for(f"host={folder} port={PORT} user={login} dbname={app_url.database}", process)
            yield app_url.set(query={"host": str(folder), "port": str(PORT)})
        finally:
            process.terminate()
            process.wait(10)
