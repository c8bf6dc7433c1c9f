"""Demo data: a believable business over two years, the same for the same seed, clearly marked as demo.

Everything goes through the same doors as real work: users sign in, their transactions carry their session, the
triggers write the trail. Day by day the records are then given the times at which the work would have been done, by
the owner, before anything is sealed; two records of the trail say so.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import text

from backstitch.accounts import passwords, users
from backstitch.audit import sealing
from backstitch.database import Database, System
from backstitch.demo import fixtures
from backstitch.demo import steps as demo_steps
from backstitch.demo.steps import Step
from backstitch.demo.story import DAYS, Story
from backstitch.errors import Refused
from backstitch.startup import Service, recreate_database

PASSWORD = "demo of backstitch"
APPLICATION = "backstitch demo"
SEED = 20261123
BATCH = 1500  # steps in one go

Progress = Callable[[int, int, str], None]

ACCOUNTS = text("select email from accounts.demo_accounts()")
# Whatever a person could have entered; an empty database has none of it.
HAS_DATA = text(
    """
    select exists (select from accounts.users) or exists (select from inventory.products)
        or exists (select from inventory.customers) or exists (select from inventory.agencies)
    """
)
# Begun and not ended, and nobody but the loader has done anything: what a kill in the middle leaves.
HALF_LOADED = text(
    """
    select exists (select from audit.records where entity = 'DemoData' and new_values ->> 'state' = 'begun')
        and not exists (select from audit.records where entity = 'DemoData' and new_values ->> 'state' = 'loaded')
        and not exists (select from audit.records
                        where application is distinct from :application
                            and (user_id is not null or action in ('LOGIN', 'LOGIN_FAILED')))
    """
)
HOLD_SEALERS = text("select pg_advisory_xact_lock(audit.sealing_lock())")
MAKE_PARTITIONS = text("select audit.make_partitions(cast(:first as date), :months)")
NEWEST = text("select coalesce(max(id), 0) from audit.records")
TRANSACTIONS = text(
    """
    select transaction_id from audit.records
    where id > :after and application = :application
    group by transaction_id order by min(id)
    """
)
DATE_BACK = text(
    """
    update audit.records r set recorded_at = done.at
    from unnest(cast(:transactions as bigint[]), cast(:times as timestamptz[])) as done (transaction, at)
    where r.transaction_id = done.transaction and r.id > :after
    """
)
COUNT = text("select count(*) from audit.records where application = :application")
SAY = text(
    """
    select audit.record_activity('MAINTENANCE', 'DemoData', null, jsonb_build_object(
        'state', cast(:state as text), 'seed', cast(:seed as bigint), 'scale', cast(:scale as numeric),
        'records', cast(:records as bigint),
        'note', 'demo data: invented, and the times of the records were set to look like two years of work'))
    """
)


def accounts(database: Database) -> list[str]:
    """The addresses of the demo users; empty where there is no demo data."""
    with database.anonymous() as connection:
        return list(connection.execute(ACCOUNTS).scalars())


def load_once(service: Service) -> bool:
    """Fills an empty database, as at the first start; False when it has data, or its owner is not known here.

    What a start that was killed had loaded in part is cleared first. Raises Refused where it cannot be.
    """
    if service.owner_url is None:
        return False
    try:
        load(service)
    except Refused as refusal:
        if refusal.rule == "demo_needs_empty":
            return False
        raise
    return True


def load(
    service: Service,
    *,
    scale: float = 1,
    seed: int = SEED,
    days: int = DAYS,
    progress: Progress | None = None,
) -> int:
    """Loads the demo data into an empty database; returns how many records its trail has of them.

    Raises Refused (`demo_needs_empty`) for a database with data, (`demo_loaded_in_part`) for what an earlier load
    left in a database that is not the embedded server's, and (`demo_scale`) for a scale that makes no sense.
    """
    if not 0 < scale <= 1000:
        raise Refused("The scale of the demo data is a number above 0, and 1000 at most.", rule="demo_scale")
    with _owner(service) as owner, owner.transaction(System()) as holder:
        # It does nothing else: what it had read would stay locked, and hold up the making of partitions.
        holder.execute(HOLD_SEALERS)
        with owner.read(System()) as connection:
            half = connection.execute(HALF_LOADED, {"application": APPLICATION}).scalar_one()
            full = connection.execute(HAS_DATA).scalar_one()
        if not half:
            if full:
                raise Refused(
                    "This database has data already; demo data go into an empty one. Nothing was loaded.",
                    rule="demo_needs_empty",
                )
            loader = _Loader(service, owner, scale, seed, days, progress or (lambda *_: None))
            records = loader.load()
    if not half:
        sealing.seal(service.database)
        return records
    _clear(service)
    return load(service, scale=scale, seed=seed, days=days, progress=progress)


@contextmanager
def _owner(service: Service) -> Iterator[Database]:
    if service.owner_url is None:
        raise Refused("Demo data need the owner's login.", rule="owner_login")
    owner = Database(
        service.owner_url.render_as_string(hide_password=False),
        application=APPLICATION,
        pool_size=2,
        zone=service.settings.timezone,
    )
    try:
        yield owner
    finally:
        owner.dispose()


def _clear(service: Service) -> None:
    """Makes the embedded server's database anew: nothing but half of the demo data is in it."""
    if service.lease is None or service.owner_url is None:
        raise Refused(
            "Demo data were loaded in part and then interrupted. Drop the database, create it again, and start anew.",
            rule="demo_loaded_in_part",
        )
    service.database.dispose()
    recreate_database(service.owner_url)


class _Loader:
    """One load: takes the steps of the story in batches, and dates each batch before the next."""

    def __init__(
        self, service: Service, owner: Database, scale: float, seed: int, days: int, progress: Progress
    ) -> None:
        zone = service.settings.timezone
        today = datetime.now(zone).date()
        self.story = Story(scale=scale, seed=seed, today=today, zone=zone, days=days)
        self.owner, self.progress, self.days = owner, progress, days
        self.said: dict[str, object] = {"seed": seed, "scale": scale}
        # The business is the same each time, its sessions are not: a session that could be guessed would be open.
        self.tokens: defaultdict[str, str] = defaultdict(lambda: secrets.token_urlsafe(32))
        self.application = Database(
            service.database.url.render_as_string(hide_password=False), application=APPLICATION, pool_size=1, zone=zone
        )

    def load(self) -> int:
        """Tells the whole story; returns how many records the trail has of it."""
        try:
            hashed = self._begin()
            proof = passwords.proof(PASSWORD, hashed.split(":")[1])
            for day, steps in self._batches():
                self._take(steps, proof)
                self.progress(day, self.days, "Demo data")
            return self._end()
        finally:
            self.application.dispose()

    def _begin(self) -> str:
        """Partitions and users; returns what is kept of the password, which is the same for all and public."""
        hashed = passwords.hash_password(PASSWORD)
        with self.owner.transaction(System(), operation="load demo data") as connection:
            months = self.days // 28 + 2
            connection.execute(MAKE_PARTITIONS, {"first": self.story.first - timedelta(days=1), "months": months})
            after = connection.execute(NEWEST).scalar_one()
            connection.execute(SAY, self.said | {"state": "begun", "records": None})
            for email, name, role in fixtures.PEOPLE:
                user = {"email": email, "name": name, "role": role.value, "password_hash": hashed}
                connection.execute(users.CREATE, user | {"must_change_password": False})
        self._date(after, [self.story.clock - timedelta(minutes=5)])
        return hashed

    def _batches(self) -> Iterator[tuple[int, Sequence[Step]]]:
        """Steps of whole days, with how many days have been told."""
        waiting: list[Step] = []
        for steps in chain(self.story.tell(), [None]):
            waiting += steps or []
            if waiting and (steps is None or len(waiting) >= BATCH):
                yield (self.story.day - self.story.first).days + 1, waiting
                waiting = []

    def _take(self, steps: Sequence[Step], proof: str) -> None:
        with self.owner.transaction(System()) as connection:
            after = connection.execute(NEWEST).scalar_one()
        demo_steps.run(self.application, steps, tokens=self.tokens, proof=proof)
        self._date(after, [step.at for step in steps])

    def _date(self, after: int, times: Sequence[datetime]) -> None:
        """Gives the transactions since the record `after`, in their order, these times."""
        with self.owner.transaction(System()) as connection:
            found = list(connection.execute(TRANSACTIONS, {"after": after, "application": APPLICATION}).scalars())
            if len(found) != len(times):
                raise RuntimeError(f"{len(times)} steps of the demo left {len(found)} transactions in the trail")
            connection.execute(DATE_BACK, {"after": after, "transactions": found, "times": list(times)})

    def _end(self) -> int:
        with self.owner.transaction(System(), operation="load demo data") as connection:
            records = int(connection.execute(COUNT, {"application": APPLICATION}).scalar_one())
            connection.execute(SAY, self.said | {"state": "loaded", "records": records})
        return records
