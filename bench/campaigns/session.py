"""A database session that runs random statements, and the ledger of which user ran which transaction."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from bench.campaigns import statements
from bench.campaigns.shop import Connection, Person

# Expected errors, by SQLSTATE or its class; any other error is a finding.
ORDINARY = {
    "22": "a value that does not fit",
    "23": "a constraint",
    "0A000": "TRUNCATE under repeatable read",
    "21000": "a second change of the same row by one upsert or MERGE",
    "27000": "a row changed by what its own change triggered",
    "40001": "serialization",
    "40P01": "deadlock",
    "42501": "no right to it",
    "55006": "TRUNCATE of a table in use",
    "55P03": "lock timeout",
}
ISOLATION = ["read committed", "read committed", "read committed", "repeatable read", "serializable"]
SETTINGS = [
    "timezone = 'Asia/Kolkata'",
    "timezone = 'America/St_Johns'",
    "timezone = 'UTC'",
    "datestyle = 'SQL, YMD'",
    "datestyle = 'ISO, YMD'",
    "intervalstyle = 'sql_standard'",
    "intervalstyle = 'postgres'",
    "extra_float_digits = -2",
    "bytea_output = 'escape'",
    "default_toast_compression = 'pglz'",
    "work_mem = '64kB'",
    "search_path = 'demo, inventory'",
    "plan_cache_mode = 'force_generic_plan'",
    "enable_hashjoin = off",
]


@dataclass
class Ledger:
    """Entries (transaction, operation, user) of committed transactions, counts of outcomes, and findings."""

    entries: list[tuple[int, str | None, int | None]] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def wrong_actors(self, connection: Connection, after: int = 0) -> list[Any]:
        """The records past an id whose transaction, operation and user are not an entry of the ledger, 20 at most."""
        connection.execute(
            "create temp table if not exists ledger (transaction_id bigint, operation text, user_id int)"
        )
        connection.execute("truncate ledger")
        with connection.cursor().copy("copy ledger from stdin") as copy:
            for entry in self.entries:
                copy.write_row(entry)
        return connection.execute(
            "select r.id, r.transaction_id, r.operation, r.user_id, r.database_role from audit.records r "
            "where r.id > %s and not exists (select from ledger l where l.transaction_id = r.transaction_id "
            "and l.operation is not distinct from r.operation and l.user_id is not distinct from r.user_id) limit 20",
            (after,),
        ).fetchall()


class Session:
    """A session of the application, which acts for one of `people`, or of a superuser, who may act for one of them."""

    def __init__(
        self, connection: Connection, name: str, people: list[Person], ledger: Ledger, *, application: bool
    ) -> None:
        self.connection = connection
        self.name = name
        self.people = people
        self.ledger = ledger
        self.application = application
        self.savepoints: list[list[tuple[str | None, int | None]]] = []
        self.acting: list[tuple[str | None, int | None]] = []  # operation and user, all of this transaction
        self.open = self.aborted = self.replica = False
        self.count = 0
        connection.execute("set lock_timeout = '30ms'; set statement_timeout = '20s'")

    def begin(self, dice: Random) -> None:
        """Begins a transaction for one of the people or, as superuser, perhaps for nobody."""
        self.connection.execute(f"begin isolation level {dice.choice(ISOLATION)}")
        self.open, self.aborted, self.savepoints, self.acting = True, False, [], []
        self.replica = not self.application and dice.random() < 0.25
        if self.replica:
            self.connection.execute("set local session_replication_role = replica")
        if self.application or dice.random() < 0.3:
            self.act_for(dice.choice(self.people))
        else:
            self.acting = [(None, None)]

    def act_for(self, person: Person) -> None:
        self.count += 1
        operation = f"{self.name} {self.count}"
        begin = "accounts.begin(%s, %s, 'because')"
        if self.application:
            begin = f"set_config('role', {begin}, true)"
        try:
            self.connection.execute(f"select {begin}", (person.actor.token, operation))
        except psycopg.Error as error:  # a serializable transaction can fail when it reads the session
            self.refused(error, "begin")
        else:
            self.acting.append((operation, person.id))

    def other_person(self, dice: Random) -> None:
        """Lets another user act in the same transaction; a rollback to a savepoint restores the first one."""
        if self.open and not self.aborted:
            self.connection.execute("set local role none")
            self.act_for(dice.choice(self.people))

    def statement(self, kind: str, dice: Random) -> None:
        """Runs one random statement; begins a transaction if none is open."""
        if self.aborted:
            self.recover()
        if not self.open:
            self.begin(dice)
        if self.aborted:
            return self.recover()
        self.run(statements.statement(kind, dice, replica=self.replica))

    def run(self, made: statements.Statement) -> None:
        outcome = "done"
        try:
            if made.rows is None:
                self.connection.execute(made.text)
            else:
                with self.connection.cursor().copy(made.text) as copy:
                    for row in made.rows:
                        copy.write_row(row)
        except psycopg.Error as error:
            outcome = self.refused(error, made.text)
        self.ledger.outcomes[made.kind, outcome] += 1

    def refused(self, error: psycopg.Error, text: str) -> str:
        self.aborted = True
        state = error.sqlstate or "lost"
        if state not in ORDINARY and state[:2] not in ORDINARY:
            self.ledger.findings.append(f"{state} {error}: {text}"[:2000])
        return state

    def recover(self) -> None:
        """After an error: rolls back to the last savepoint or, without one, the whole transaction."""
        if self.savepoints:
            self.back()
        else:
            self.end(commit=False)

    def savepoint(self) -> None:
        if self.open and not self.aborted:
            self.connection.execute(f"savepoint s{len(self.savepoints)}")
            self.savepoints.append(list(self.acting))

    def back(self) -> None:
        """Rolls back to the last savepoint and releases it."""
        if self.open and self.savepoints:
            self.acting = self.savepoints.pop()
            name = f"s{len(self.savepoints)}"
            self.connection.execute(f"rollback to {name}; release {name}")
            self.aborted = False

    def release(self) -> None:
        if self.open and not self.aborted and self.savepoints:
            self.savepoints.pop()
            self.connection.execute(f"release s{len(self.savepoints)}")

    def setting(self, dice: Random) -> None:
        if not self.aborted:
            self.connection.execute(f"set {dice.choice(SETTINGS)}")

    def end(self, *, commit: bool) -> None:
        """Commits or rolls back, and enters a committed transaction into the ledger."""
        if not self.open:
            return
        number = None
        ending = "rolled back"
        try:
            if commit and not self.aborted:
                row = self.connection.execute("select pg_current_xact_id_if_assigned()::text::bigint").fetchone()
                number = row and row[0]
            self.connection.execute("commit" if commit else "rollback")
            if commit and not self.aborted:
                ending = "committed"
                if number:
                    self.ledger.entries += [(number, operation, user) for operation, user in self.acting]
        except psycopg.Error as error:
            ending = f"refused {self.refused(error, 'commit')}"
            self.connection.execute("rollback")
        self.ledger.endings[ending] += 1
        self.open = self.aborted = False
        self.savepoints = []

    def step(self, dice: Random) -> None:
        """Does one random thing, mostly a statement."""
        draw = dice.random()
        if draw < 0.64:
            if dice.random() < 0.6:
                self.savepoint()  # so that a refusal does not cost the whole transaction
            self.statement(statements.any_kind(dice), dice)
        elif draw < 0.68:
            self.savepoint()
        elif draw < 0.72:
            self.back()
        elif draw < 0.80:
            self.release()
        elif draw < 0.82:
            self.other_person(dice)
        elif draw < 0.84:
            self.setting(dice)
        else:
            self.end(commit=draw < 0.97)


def prepare(psql: Connection) -> None:
    """Creates the awkward tables beside the inventory, empty except for the parents."""
    psql.execute(statements.AWKWARD)
