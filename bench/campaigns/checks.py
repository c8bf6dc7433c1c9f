"""Checks after a campaign. Each returns the rows that break a rule: an empty list is good."""

from typing import Any

from backstitch.audit.replay import replay
from bench.campaigns.shop import Connection
from tests.db.audit import tampering

# Cells whose quantity is not goods in less goods out.
UNBALANCED = """
select s.product_id, s.colour_code, s.size, s.quantity, coalesce(m.moved, 0)
from inventory.product_color_stocks s
full join (select product_id, colour_code, size, sum(quantity) as moved
           from (select product_id, colour_code, size, quantity from inventory.inward_logs
                 union all
                 select product_id, colour_code, size, -quantity from inventory.sales_logs) movements
           group by 1, 2, 3) m using (product_id, colour_code, size)
where s.quantity is distinct from coalesce(m.moved, 0)
"""


def replay_differences(connection: Connection) -> list[str]:
    """What replay says against any watched table, as sentences, 100 at most of each."""
    with connection.transaction(force_rollback=True):  # it takes the settings of the replay with it
        connection.execute("set transaction isolation level repeatable read, read only")
        outcomes = replay(connection, owner=connection, most_shown=100)
    return [str(found) for outcome in outcomes for found in (*outcome.problems, *outcome.differences)]


def verification(connection: Connection) -> list[Any]:
    """The findings of verification after sealing all records, 100 at most."""
    connection.execute("select audit.seal()")
    return list(tampering.verification(connection).findings[:100])


def unbalanced(connection: Connection) -> list[Any]:
    """The cells whose quantity is not goods in less goods out."""
    return connection.execute(UNBALANCED).fetchall()
