"""Makes names that stand beside each other, as a database from before keys were unique may have them."""

import psycopg
from psycopg import sql


def add_double(psql: psycopg.Connection, table: str, column: str, *names: str, **others: object) -> list[int]:
    """Inserts rows whose names have one key; returns their ids. `others` are the values of other columns."""
    relation, kind = sql.Identifier("inventory", table), sql.Identifier(f"keep_new_{column}")
    columns = sql.SQL(", ").join(map(sql.Identifier, (column, *others)))
    ids = []
    psql.execute(sql.SQL("alter table {} disable trigger {}").format(relation, kind))
    for place, name in enumerate(names):
        values = sql.SQL(", ").join(sql.Placeholder() * (1 + len(others)))
        row = psql.execute(
            sql.SQL("insert into {} as t ({}) values ({}) returning id, inventory.scope_of({}, to_jsonb(t))").format(
                relation, columns, values, sql.Literal(column)
            ),
            (name, *others.values()),
        ).fetchone()
        assert row is not None
        psql.execute(
            "insert into runtime.name_keys (kind, scope, key, place, owner_id) "
            "values (%s, %s, inventory.key_of(%s, %s), %s, %s)",
            (column, row[1], column, name, place, row[0]),
        )
        ids.append(row[0])
    psql.execute(sql.SQL("alter table {} enable always trigger {}").format(relation, kind))
    return ids
