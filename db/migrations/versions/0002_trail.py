"""The audit trail, the sign-in and the stock books: triggers.sql, seals.sql, sign_in.sql, accounts.sql, stock.sql.

Why: from here on every change is on the record, and stock is moved by the database.
Locks: SHARE ROW EXCLUSIVE on each table while its triggers are created: readers pass, writers wait milliseconds.
"""

from db.migrations.files import run_as_owner, run_file

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WATCH = """
select audit.watch('accounts.users', 'User', redacted => '{password_hash}', personal => '{email,name}');
select audit.watch('accounts.sessions', 'Session', parent => 'user_id', redacted => '{token_hash}',
                   personal => '{address,user_agent}');
select audit.watch('inventory.products', 'Product');
select audit.watch('inventory.product_colors', 'ProductColor', parent => 'product_id');
select audit.watch('inventory.product_color_stocks', 'ProductColorStock', parent => 'product_id');
select audit.watch('inventory.inward_logs', 'InwardLog', parent => 'product_id');
select audit.watch('inventory.sales_logs', 'SalesLog', parent => 'product_id');
"""


def upgrade() -> None:
    run_file("triggers.sql")
    run_file("replay.sql")
    run_file("seals.sql")
    run_file("sign_in.sql")
    run_file("accounts.sql")
    run_file("stock.sql")
    run_as_owner(WATCH)
