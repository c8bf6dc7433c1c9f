"""Undo from the trail: undo.sql.

Why: a wrong import or a wrong click goes back by its own records, with an answer for what was changed since.
Locks: none, it adds functions.
"""

from db.migrations.files import run_file

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("undo.sql")
