"""How the names in a sheet are meant: written otherwise, a known one; near to a known one, what a person says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection

from backstitch.inventory.movements import queries as movement_queries
from backstitch.inventory.names import name_key, near
from backstitch.inventory.parties import queries as party_queries
from backstitch.inventory.parties.written import Kind as PartyKind
from backstitch.inventory.parties.written import as_written
from backstitch.inventory.paste.columns import Kind, Problem, spelling
from backstitch.inventory.paste.entries import Entry
from backstitch.inventory.paste.layout import Layout

Field = Literal["party", "agency", "sku", "color"]
Answers = Mapping[tuple[Field, str], str]
"""(field, name as the sheet has it) -> the name that is meant; the sheet's own name: that one, which is new."""

PARTIES: dict[Kind, PartyKind] = {Kind.INWARD: "stakeholder", Kind.SALES: "store", Kind.ORDERS: "store"}


@dataclass(frozen=True)
class Doubt:
    """A name that is not known, and the known ones that may be meant; `answer` is '' until a person has said which.

    `may_be_new` is False where a name has to be known, as the customer of an order. `rows` are the spreadsheet's.
    """

    field: Field
    name: str
    meant: tuple[str, ...]
    rows: tuple[int, ...]
    answer: str = ""
    may_be_new: bool = True


def resolve(
    connection: Connection, entries: Sequence[Entry], *, kind: Kind, answers: Answers, layout: Layout
) -> tuple[list[Entry], list[Doubt], list[Problem]]:
    """The entries with their parties as they are meant and written, what is to be asked, and a remark per spelling."""
    reading = _Reading(connection, kind is Kind.ORDERS, answers, layout)
    parties = reading.names("party", PARTIES[kind], [(entry.party, entry.row) for entry in entries])
    agencies = reading.names("agency", "agency", [(entry.agency, entry.row) for entry in entries if entry.agency])
    resolved = [replace(entry, party=parties[entry.party], agency=agencies.get(entry.agency, "")) for entry in entries]
    return resolved, reading.doubts, reading.remarks


class _Reading:
    """Reads the names of a sheet, and collects the doubts and the remarks about them."""

    def __init__(self, connection: Connection, is_order: bool, answers: Answers, layout: Layout) -> None:
        self.doubts: list[Doubt] = []
        self.remarks: list[Problem] = []
        self._connection = connection
        self._is_order = is_order
        self._answers = answers
        self._layout = layout

    def names(self, field: Field, kind: PartyKind, named: Iterable[tuple[str, int]]) -> dict[str, str]:
        """Name in the sheet -> the name to store."""
        rows: dict[str, list[int]] = {}
        for name, row in named:
            rows.setdefault(name, []).append(row)
        if not rows:
            return {}
        meant = {name: self._answers.get((field, name), name) for name in rows}
        written = as_written(self._connection, [(kind, name) for name in meant.values()])
        known = {name_key(name): name for name in _known(self._connection, kind, only_customers=self._is_order)}
        new: list[str] = []
        for name, on in rows.items():
            stored = written[kind, name] if meant[name] == name else name
            # Of a party of long ago `known` knows nothing, but its log writes it otherwise.
            if name_key(name) in known or stored != name:
                if stored != name:
                    heading = self._layout.heading(field)
                    self.remarks += [spelling(row, heading, name, stored) for row in dict.fromkeys(on)]
            elif near_names := near(name, [*known.values(), *new]):
                answer = self._answers.get((field, name), "")
                distinct_rows = tuple(dict.fromkeys(on))
                self.doubts.append(Doubt(field, name, tuple(near_names), distinct_rows, answer, not self._is_order))
            else:
                # The next new name of the sheet may be this one.
                new.append(name)
        return {name: written[kind, meant[name]] for name in rows}


def _known(connection: Connection, kind: PartyKind, *, only_customers: bool) -> list[str]:
    """The names of parties, each once: those that have rows of their own, and those of the latest entries."""
    match kind:
        case "stakeholder":
            names: Iterable[str] = movement_queries.stakeholders(connection)
        case "agency":
            agencies = (agency.agency_name for agency in party_queries.agencies(connection, inactive=True))
            names = [*agencies, *movement_queries.agency_names(connection)]
        case "store":
            customers = [customer.store_name for customer in party_queries.customers(connection, inactive=True)]
            names = customers if only_customers else [*customers, *movement_queries.stores(connection)]
    distinct: dict[str, str] = {}
    for name in names:
        distinct.setdefault(name_key(name), name)
    distinct.pop("", None)
    return list(distinct.values())


def grouped(problems: Iterable[Problem]) -> list[Problem]:
    """The problems, with a remark that several rows share once, at the first of them."""
    shared: dict[tuple[str, str], list[Problem]] = {}
    kept: list[Problem] = []
    for problem in problems:
        if problem.blocks or problem.row is None:
            kept.append(problem)
        else:
            shared.setdefault((problem.column, problem.sentence), []).append(problem)
    for first, *others in shared.values():
        more = {problem.row for problem in others} - {first.row}
        count = f" ({'1 more row' if len(more) == 1 else f'{len(more):,} more rows'})" if more else ""
        kept.append(replace(first, sentence=first.sentence + count))
    return kept
