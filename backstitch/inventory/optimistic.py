"""Deleting records as they were read: all of them, or none when somebody changed one since."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from backstitch.errors import StaleEdit


def delete_as_read(
    connection: Connection, *, table: str, versions: Mapping[int, str], entry: Callable[[int], Any]
) -> int:
    """Deletes the rows of `inventory.TABLE` by id and version, in one statement; returns how many.

    Raises StaleEdit with what `entry` reads of the rows that changed, without those that are gone.
    """
    # `table` comes from the library, never from a user. One order of locks: two bulk deletions cannot deadlock.
    lock = text(
        f"select id, xmin::text as version from inventory.{table} where id = any(cast(:ids as bigint[])) "
        "order by id for update"
    )
    stored = {row.id: row.version for row in connection.execute(lock, {"ids": list(versions)})}
    changed = [id for id, version in versions.items() if stored.get(id) != version]
    if changed:
        found = tuple(record for id in changed if (record := entry(id)) is not None)
        raise StaleEdit(
            f"Somebody else changed or deleted {len(changed)} of these records meanwhile. Nothing was deleted.",
            theirs=found,
        )
    delete = text(f"delete from inventory.{table} where id = any(cast(:ids as bigint[]))")
    return connection.execute(delete, {"ids": list(versions)}).rowcount


def stale(*, theirs: Any, yours: Any, what: str = "entry") -> StaleEdit:
    """The refusal of an edit of one record: somebody else changed it, or it is gone (`theirs` None)."""
    done = f"deleted this {what} meanwhile" if theirs is None else f"changed this {what} while you were editing it"
    return StaleEdit(f"Somebody else {done}. Nothing of yours was saved.", theirs=theirs, yours=yours)
