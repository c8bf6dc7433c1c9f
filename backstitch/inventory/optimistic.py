"""Optimistic locking: a record is changed or deleted only while it is as the user read it."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from backstitch.errors import StaleEdit


def delete_unchanged(
    connection: Connection, *, table: str, versions: Mapping[int, str], read_entry: Callable[[int], Any]
) -> int:
    """Deletes rows of `inventory.TABLE` by id, all or none; returns how many. `versions` maps each id to its version.

    Raises StaleEdit when a row was changed or deleted since; `theirs` has what `read_entry` returns for those changed.
    """
    # `table` comes from the library, never from a user. Rows are locked by id: two bulk deletions cannot deadlock.
    lock = text(
        f"select id, xmin::text as version from inventory.{table} where id = any(cast(:ids as bigint[])) "
        "order by id for update"
    )
    stored = {row.id: row.version for row in connection.execute(lock, {"ids": list(versions)})}
    changed = [id for id, version in versions.items() if stored.get(id) != version]
    if changed:
        theirs = tuple(record for id in changed if (record := read_entry(id)) is not None)
        raise StaleEdit(
            f"Somebody else changed or deleted {len(changed)} of these records meanwhile. Nothing was deleted.",
            theirs=theirs,
        )
    delete = text(f"delete from inventory.{table} where id = any(cast(:ids as bigint[]))")
    return connection.execute(delete, {"ids": list(versions)}).rowcount


def stale(*, theirs: Any, yours: Any, what: str = "entry") -> StaleEdit:
    """The StaleEdit for one record that somebody else changed, or deleted (`theirs` is None)."""
    done = f"deleted this {what} meanwhile" if theirs is None else f"changed this {what} while you were editing it"
    return StaleEdit(f"Somebody else {done}. Nothing of yours was saved.", theirs=theirs, yours=yours)
