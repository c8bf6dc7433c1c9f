"""Demo data: a small, believable business, the same each time, clearly marked as demo.

Everything goes through the same doors as real work: users sign in, their transactions carry their
session, the triggers write the trail. Only at the end are the records given the times at which the
work would have been done, once, by the owner, with a record that says so.
"""

import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import Connection, text

from backstitch.accounts import sessions, users
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser
from backstitch.database import Database, SignedIn, System
from backstitch.inventory import catalogue, logs, movements, products
from backstitch.inventory.logs import LogFilter
from backstitch.inventory.movements import Inward, Sale
from backstitch.inventory.products import ProductDetails
from backstitch.startup import Service

PASSWORD = "demo of backstitch"
DAYS = 60

PEOPLE = (
    ("admin@demo.example", "Anita Desai", Role.ADMIN),
    ("manager@demo.example", "Ravi Menon", Role.MANAGER),
    ("manager2@demo.example", "Meera Shah", Role.MANAGER),
    ("analyst@demo.example", "Kiran Rao", Role.ANALYST),
    ("viewer@demo.example", "Lata Iyer", Role.VIEWER),
)
LETTERS = ("S", "M", "L", "XL", "XXL")
# sku, name, category, price, sizes, colours
DESIGNS = (
    ("KT-104", "Straight cotton kurta", "Kurta", "899.00", LETTERS, ("Navy Blue", "Mustard", "Off White")),
    ("KT-118", "Block print kurta", "Kurta", "1149.00", LETTERS, ("Indigo", "Rust")),
    ("KT-131", "A-line rayon kurta", "Kurta", "999.00", ("XS", *LETTERS), ("Teal", "Wine", "Peach")),
    ("KS-210", "Kurta set with dupatta", "Kurta Set", "2199.00", LETTERS, ("Sea Green", "Maroon")),
    ("KS-224", "Chikankari kurta set", "Kurta Set", "2899.00", LETTERS, ("White", "Powder Blue")),
    ("LG-301", "Ankle leggings", "Leggings", "349.00", (*LETTERS, "XXXL"), ("Black", "Red", "Beige", "Navy Blue")),
    ("PZ-402", "Flared palazzo", "Palazzo", "749.00", LETTERS, ("Black", "Cream")),
    ("TP-515", "Crop top", "Top", "599.00", ("XS", "S", "M", "L"), ("Lemon Yellow", "Magenta")),
    ("DR-608", "Tiered maxi dress", "Dress", "1799.00", ("S", "M", "L", "XL"), ("Olive Green", "Coral")),
    ("SR-702", "Handloom cotton saree", "Saree", "3499.00", ("FREE",), ("Turquoise", "Wine", "Gold")),
    ("BL-711", "Embroidered blouse", "Blouse", "799.00", ("32", "34", "36", "38", "40"), ("Gold", "Black")),
    ("NW-805", "Cotton night suit", "Night Wear", "1099.00", LETTERS, ("Sky Blue", "Pink")),
)
MILLS = ("Arvind Mills", "Vardhman Textiles", "Sri Lakshmi Weavers", "Jaipur Block Prints")
STORES = ("Indiranagar", "Bandra", "Connaught Place", "Anna Nagar")
AGENCIES = ("", "Southern Garments Agency", "Kapoor & Sons")

IS_EMPTY = text("select not exists (select from accounts.users) and not exists (select from inventory.products)")
ACCOUNTS = text("select email from accounts.demo_accounts()")
TRANSACTION = text("select cast(cast(pg_current_xact_id() as text) as bigint)")
MAKE_PARTITIONS = text("select audit.make_partitions(cast(:first as date), :months)")
DATE_BACK = text(
    """
    update audit.records r set recorded_at = done.at
    from unnest(cast(:transactions as bigint[]), cast(:times as timestamptz[])) as done (transaction, at)
    where r.transaction_id = done.transaction
    """
)
SAY_SO = text(
    "select audit.record_activity('MAINTENANCE', 'DemoData', null, "
    "jsonb_build_object('records', cast(:records as integer), 'note', "
    "'demo data: the times of these records were set to look like past work'))"
)


@dataclass
class _Story:
    """What the demo business does, and when each transaction is to have happened."""

    service: Service
    owner: Database
    dice: random.Random = field(default_factory=lambda: random.Random(20261123))
    happened: dict[int, datetime] = field(default_factory=dict)
    browser: Browser = field(
        default_factory=lambda: Browser(secrets.token_urlsafe(32), "192.0.2.10", "demo data"), repr=False
    )

    @contextmanager
    def at(self, moment: datetime, who: SignedIn | System, operation: str) -> Iterator[Connection]:
        """A transaction of `who` that is to be dated `moment`."""
        database = self.owner if isinstance(who, System) else self.service.database
        with database.transaction(who, operation=operation) as connection:
            self.happened[connection.execute(TRANSACTION).scalar_one()] = moment
            yield connection

    def hour(self, day: datetime) -> datetime:
        """A moment of a working day; most of the work is done before lunch and towards evening."""
        hour = self.dice.choice((10, 10, 11, 11, 11, 12, 14, 15, 16, 17, 17, 18, 18, 19))
        return day.replace(hour=hour, minute=self.dice.randrange(60), second=self.dice.randrange(60))


def accounts(database: Database) -> list[str]:
    """The addresses of the demo users; empty where there is no demo data."""
    with database.anonymous() as connection:
        return list(connection.execute(ACCOUNTS).scalars())


def load_once(service: Service) -> bool:
    """Fills an empty database; False when it is not empty, or its owner is not known here."""
    if service.owner_url is None:
        return False
    owner = Database(service.owner_url.render_as_string(hide_password=False), application="backstitch demo")
    try:
        with owner.read(System()) as connection:
            if not connection.execute(IS_EMPTY).scalar_one():
                return False
        _tell(_Story(service, owner))
    finally:
        owner.dispose()
    return True


def _tell(story: _Story) -> None:
    zone = story.service.settings.timezone
    today = datetime.combine(datetime.now(zone).date(), time(), zone)
    first = today - timedelta(days=DAYS)
    managers = _people(story, first)
    designs = [_design(story, first + timedelta(days=index % 3), managers, index) for index in range(len(DESIGNS))]
    for day in range(4, DAYS):
        _day(story, first + timedelta(days=day), managers, designs)
    for manager in managers:
        sessions.sign_out(story.service.database, manager)
    _date_back(story, first)


def _people(story: _Story, first: datetime) -> list[SignedIn]:
    with story.at(first.replace(hour=9), System(), "create demo users") as connection:
        for email, name, role in PEOPLE:
            users.create_user(connection, email=email, name=name, role=role, password=PASSWORD)
    signed_in = []
    for email, _, role in PEOPLE:
        if role is Role.MANAGER:
            sessions.sign_in(
                story.service.database,
                email=email,
                password=PASSWORD,
                browser=story.browser,
                lifetime=timedelta(hours=1),
            )
            signed_in.append(sessions.actor(story.browser.secret, email))
    return signed_in


def _design(story: _Story, day: datetime, managers: list[SignedIn], index: int) -> int:
    sku, name, category, price, sizes, colours = DESIGNS[index]
    manager = managers[index % len(managers)]
    details = ProductDetails(
        sku=sku,
        name=name,
        sizes=sizes,
        category=category,
        unit_price=Decimal(price),
        hsn_code="6204",
        gst_rate=Decimal(5),
        reorder_level=6,
    )
    with story.at(story.hour(day), manager, "add product") as connection:
        product_id = products.create_product(connection, details=details, colours=colours)
    for color in colours:
        received = {size: story.dice.randrange(6, 34) for size in sizes}
        with story.at(story.hour(day + timedelta(days=1)), manager, "record inward") as connection:
            movements.record_inward(
                connection,
                product_id=product_id,
                colour_code=products.colour_code(color),
                quantities=received,
                inward=Inward(day.date() + timedelta(days=1), "Supply", story.dice.choice(MILLS)),
            )
    return product_id


def _day(story: _Story, day: datetime, managers: list[SignedIn], designs: list[int]) -> None:
    if day.weekday() == 6:
        return
    for _ in range(story.dice.randrange(2, 6)):
        _sell(story, day, story.dice.choice(managers), story.dice.randrange(len(designs)), designs)
    if story.dice.random() < 0.25:
        _correct(story, day, story.dice.choice(managers))
    if story.dice.random() < 0.12:
        _reprice(story, day, story.dice.choice(managers), story.dice.choice(designs))


def _sell(story: _Story, day: datetime, manager: SignedIn, index: int, designs: list[int]) -> None:
    sizes, colours = DESIGNS[index][4], DESIGNS[index][5]
    chosen = story.dice.sample(sizes, k=min(len(sizes), story.dice.randrange(1, 4)))
    with story.at(story.hour(day), manager, "record sale") as connection:
        movements.record_sale(
            connection,
            product_id=designs[index],
            colour_code=products.colour_code(story.dice.choice(colours)),
            quantities={size: 1 for size in chosen},
            sale=Sale(day.date(), story.dice.choice(STORES), story.dice.choice(AGENCIES)),
        )


def _correct(story: _Story, day: datetime, manager: SignedIn) -> None:
    """Somebody counted again: an inward entry gets another quantity, or a sale is taken back."""
    with story.at(story.hour(day), manager, "correct entry") as connection:
        if story.dice.random() < 0.6:
            entry = story.dice.choice(logs.inward_log(connection, log_filter=LogFilter(size=40)))
            inward = Inward(entry.date, "Supply", entry.stakeholder_name)
            movements.edit_inward(
                connection, entry=entry, quantity=entry.quantity + story.dice.randrange(1, 6), inward=inward
            )
        else:
            sold = logs.sales_log(connection, log_filter=LogFilter(size=20))
            if sold:
                movements.delete_sale(connection, entry=story.dice.choice(sold))


def _reprice(story: _Story, day: datetime, manager: SignedIn, product_id: int) -> None:
    with story.at(story.hour(day), manager, "edit product") as connection:
        product = catalogue.product(connection, product_id=product_id)
        details = ProductDetails(**{name: getattr(product, name) for name in ProductDetails.__dataclass_fields__})
        price = (product.unit_price or Decimal(0)) + story.dice.choice((-50, 50, 100))
        products.edit_product(
            connection, product_id=product_id, version=product.version, details=replace(details, unit_price=price)
        )


def _date_back(story: _Story, first: datetime) -> None:
    with story.owner.transaction(System(), operation="load demo data") as connection:
        connection.execute(MAKE_PARTITIONS, {"first": first.date(), "months": 3})
        moved = connection.execute(
            DATE_BACK, {"transactions": list(story.happened), "times": list(story.happened.values())}
        ).rowcount
        connection.execute(SAY_SO, {"records": moved})
