"""Loads the demo data: a believable business over two years, the same for the same seed, clearly marked as demo.

Everything goes through the same doors as real work: users sign in, their transactions carry their session, the
triggers write the trail. Day by day the records are then given the times at which the work would have been done, by
the owner, before anything is sealed; two records of the trail say so.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from backstitch.request import Source, door
from backstitch.startup import Service, recreate_database

PASSWORD = "demo of backstitch"
APPLICATION = "backstitch demo"
SEED = 20261123
BATCH = 1500  # steps in one go

Progress = Callable[[int, int, str], None]

ACCOUNTS = text("select email from accounts.demo_accounts()")
# has_data: what a person could have entered. in_part: a load has begun and not ended. touched: and somebody but the
# loader has done something since.
STATE = text(
    """
    select exists (select from accounts.users) or exists (select from inventory.products)
               or exists (select from inventory.customers) or exists (select from inventory.agencies) as has_data,
           load.in_part,
           load.in_part and exists (select from audit.records
                                    where application is distinct from :application
                                        and (user_id is not null or entity = 'User')) as touched
    from (select coalesce(array_agg(new_values ->> 'state') = '{begun}', false) as in_part
          from audit.records where entity_id is null and entity = 'DemoData') load
    """
)
# Nobody has an account yet; but who tried the demo's after a load that failed would have locked it for the next load.
FORGET_FAILURES = text("delete from runtime.sign_in_attempts")
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
SET_TIMES = text(
    """
    update audit.records r set recorded_at = done.at
    from unnest(cast(:transactions as bigint[]), cast(:times as timestamptz[])) as done (transaction, at)
    where r.transaction_id = done.transaction and r.id > :after
    """
)
COUNT = text("select count(*) from audit.records where application = :application")
RECORD_STATE = text(
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

    Raises Refused (`demo_loaded_in_part`), as `load` does.
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


@door(Source.SYSTEM)
def load(
    service: Service,
    *,
    scale: float = 1,
    seed: int = SEED,
    days: int = DAYS,
    progress: Progress | None = None,
) -> int:
    """Loads the demo data into an empty database; returns how many records its trail has of them.

    On the embedded server it is all or nothing: what a load that was killed has left is cleared first, and a load that
    fails clears what it has loaded. In another database that part stays.

    Raises Refused (`demo_needs_empty`) for a database with data, (`demo_loaded_in_part`) for a part that cannot be
    cleared, and (`demo_scale`) for a scale that makes no sense.
    """
    if not 0 < scale <= 1000:
        raise Refused("The scale of the demo data is a number above 0, and 1000 at most.", rule="demo_scale")
    loader = None
    try:
        with _owner(service) as owner, owner.transaction(System()) as holder:
            # It does nothing else: what it had read would stay locked, and hold up the making of partitions.
            holder.execute(HOLD_SEALERS)
            if _is_empty(service, owner):
                loader = _Loader(service, owner, scale, seed, days, progress or (lambda *_: None))
                records = loader.load()
    except Exception:
        if loader is not None:
            _clear_failed_load(service)
        raise
    if loader is not None:
        sealing.seal(service.database)
        return records
    _clear(service)
    return load(service, scale=scale, seed=seed, days=days, progress=progress)


@dataclass(frozen=True)
class _State:
    """What a database holds: see STATE."""

    has_data: bool
    in_part: bool
    touched: bool

    def can_be_cleared(self, service: Service) -> bool:
        """Whether nothing but a part of the demo data is there, and the database is ours to make anew."""
        return service.lease is not None and self.in_part and not self.touched


def _state(owner: Database) -> _State:
    with owner.read(System()) as connection:
        return _State(**connection.execute(STATE, {"application": APPLICATION}).mappings().one())


def _is_empty(service: Service, owner: Database) -> bool:
    """Whether the database is empty; False for a part of the demo data that can be cleared, Refused for all else."""
    state = _state(owner)
    if state.can_be_cleared(service):
        return False
    if state.in_part:
        raise Refused(
            "This database has only a part of the demo data: the load was interrupted. Start anew with an empty "
            "database to have all of it.",
            rule="demo_loaded_in_part",
        )
    if state.has_data:
        raise Refused(
            "This database has data already; demo data go into an empty one. Nothing was loaded.",
            rule="demo_needs_empty",
        )
    return True


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


def _clear_failed_load(service: Service) -> None:
    with _owner(service) as owner:
        clearable = _state(owner).can_be_cleared(service)
    if clearable:
        _clear(service)


def _clear(service: Service) -> None:
    """Makes the embedded server's database anew: nothing but a part of the demo data is in it."""
    assert service.owner_url is not None
    service.database.dispose()
    recreate_database(service.owner_url, zone=service.settings.timezone)


class _Loader:
    """One load: takes the steps of the story in batches, and gives each batch its times before the next."""

    def __init__(
        self, service: Service, owner: Database, scale: float, seed: int, days: int, progress: Progress
    ) -> None:
        zone = service.settings.timezone
        today = datetime.now(zone).date()
        self.story = Story(scale=scale, seed=seed, today=today, zone=zone, days=days)
        self.owner, self.progress, self.days = owner, progress, days
        self.details: dict[str, object] = {"seed": seed, "scale": scale}
        # The business is the same each time, its sessions are not: a session that could be guessed would be open.
        self.tokens: defaultdict[str, str] = defaultdict(lambda: secrets.token_urlsafe(32))
        self.application = Database(
            service.database.url.render_as_string(hide_password=False), application=APPLICATION, pool_size=1, zone=zone
        )

    def load(self) -> int:
        """Takes every step of the story; returns how many records the trail has of it."""
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
        """Makes the partitions and the users; returns what the database keeps of the password, which all share."""
        hashed = passwords.hash_password(PASSWORD)
        with self.owner.transaction(System(), operation="load demo data") as connection:
            months = self.days // 28 + 2
            connection.execute(MAKE_PARTITIONS, {"first": self.story.first - timedelta(days=1), "months": months})
            connection.execute(FORGET_FAILURES)
            after = connection.execute(NEWEST).scalar_one()
            connection.execute(RECORD_STATE, self.details | {"state": "begun", "records": None})
            for email, name, role in fixtures.PEOPLE:
                user = {"email": email, "name": name, "role": role.value, "password_hash": hashed}
                connection.execute(users.CREATE, user | {"must_change_password": False})
        self._set_times(after, [self.story.clock - timedelta(minutes=5)])
        return hashed

    def _batches(self) -> Iterator[tuple[int, Sequence[Step]]]:
        """The steps of whole days together, with the number of days up to them."""
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
        self._set_times(after, [step.at for step in steps])

    def _set_times(self, after: int, times: Sequence[datetime]) -> None:
        """Gives the transactions since the record `after`, in their order, these times."""
        with self.owner.transaction(System()) as connection:
            found = list(connection.execute(TRANSACTIONS, {"after": after, "application": APPLICATION}).scalars())
            if len(found) != len(times):
                raise RuntimeError(f"{len(times)} steps of the demo left {len(found)} transactions in the trail")
            connection.execute(SET_TIMES, {"after": after, "transactions": found, "times": list(times)})

    def _end(self) -> int:
        with self.owner.transaction(System(), operation="load demo data") as connection:
            records = int(connection.execute(COUNT, {"application": APPLICATION}).scalar_one())
            connection.execute(RECORD_STATE, self.details | {"state": "loaded", "records": records})
        return records
