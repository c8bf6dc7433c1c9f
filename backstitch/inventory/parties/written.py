"""Finds how a party is written already: entries have stores, suppliers and agencies by name."""

from collections.abc import Iterable, Mapping
from typing import Literal

from sqlalchemy import Connection, text

from backstitch import lengths
from backstitch.inventory.names import name_key
from backstitch.inventory.values import stored_name

Kind = Literal["stakeholder", "store", "agency"]
Party = tuple[Kind, str]

WHAT: dict[Kind, str] = {"stakeholder": "The stakeholder", "store": "The store", "agency": "The agency"}

KNOWN = text(
    """
    select t.kind, t.name,
           case t.kind when 'stakeholder' then inventory.known_stakeholder(t.name)
                       when 'store' then inventory.known_store(t.name)
                       else inventory.known_agency(t.name) end as known
    from unnest(cast(:kinds as text[]), cast(:names as text[])) t (kind, name)
    """
)


def as_written(connection: Connection, parties: Iterable[Party]) -> Mapping[Party, str]:
    """(kind, name as typed) -> the name to store: as it is written already, else as it was typed first, tidied.

    Raises Refused (name_unclear).
    """
    typed = list(dict.fromkeys(parties))
    first: dict[Party, str] = {}
    for kind, name in typed:
        first.setdefault((kind, name_key(name)), name)
    asked = [(kind, name) for (kind, _), name in first.items() if name]
    kinds, names = [kind for kind, _ in asked], [name for _, name in asked]
    rows = connection.execute(KNOWN, {"kinds": kinds, "names": names}) if asked else ()
    known = {(row.kind, name_key(row.name)): row.known for row in rows}
    stored = {
        key: known.get(key) or stored_name(name, what=WHAT[key[0]], longest=lengths.NAME) for key, name in first.items()
    }
    return {(kind, name): stored[kind, name_key(name)] for kind, name in typed}


def respelt(connection: Connection, party: Party, *, before: str) -> str:
    """The name to store for a party that was `before`: as it is typed now if it is the same, else as it is written."""
    same = name_key(party[1]) == name_key(before)
    if party[1] == before:
        return before
    if same:
        return stored_name(party[1], what=WHAT[party[0]], longest=lengths.NAME)
    return as_written(connection, [party])[party]
