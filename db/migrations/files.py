"""How a revision runs SQL: as it stands, with no parameters.

`text()` would read `:name` in a function body as a bind, a plain call would trip on `%`.
"""

from pathlib import Path

from alembic import op

SQL_FOLDER = Path(__file__).resolve().parents[1]


def run_sql(sql: str) -> None:
    """Runs one or more statements as the login that migrates."""
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


def run_as_owner(sql: str) -> None:
    """Runs one or more statements as backstitch_owner, who then owns what they create."""
    run_sql("set role backstitch_owner")
    run_sql(sql)
    run_sql("reset role")


def run_file(name: str) -> None:
    """Runs `db/NAME`, a re-runnable file, as backstitch_owner."""
    run_as_owner((SQL_FOLDER / name).read_text(encoding="utf-8"))
