"""Runs the SQL of a revision or of a file of db/ unchanged, without parameters.

`text()` would take `:name` in a function body for a parameter, and a plain call fails on `%`.
"""

from alembic import op
from sqlalchemy import Connection


def run_sql(sql: str) -> None:
    """Runs one or more statements of a revision as the login that migrates."""
    execute(op.get_bind(), sql)


def run_as_owner(sql: str) -> None:
    """Runs one or more statements of a revision as backstitch_owner, who then owns what they create."""
    execute_as_owner(op.get_bind(), sql)


def execute(connection: Connection, sql: str) -> None:
    """Runs one or more statements as the login of the connection."""
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def execute_as_owner(connection: Connection, sql: str) -> None:
    """Runs one or more statements as backstitch_owner."""
    execute(connection, "set local role backstitch_owner")
    execute(connection, sql)
    execute(connection, "reset role")
