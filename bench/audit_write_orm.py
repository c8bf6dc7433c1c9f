"""Does the work of audit_write.py through SQLAlchemy's unit of work.

    python audit_write_orm.py WORK TRAIL URL AMOUNT [SEED]

WORK is `bulk` (AMOUNT rows; prints the seconds of each step as JSON) or `single` (AMOUNT seconds of single-row
updates, each in its transaction; prints how many). TRAIL is `none` (no hook; a trigger may be there),
`continuum` (SQLAlchemy-Continuum with its defaults: make_versioned, `__versioned__ = {}`, validity strategy) or
`logger` (`_log_changes` below).
"""

import datetime
import json
import random
import sys
import time
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Identity,
    Index,
    Numeric,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column

Values = dict[str, object]


class Base(DeclarativeBase):
    """The tables of the bench."""


class Product(Base):
    """The table `products`, which audit_write.py creates."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sku: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    unit_price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    hsn_code: Mapped[str | None] = mapped_column(Text)
    gst_rate: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    sizes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reorder_level: Mapped[int]
    is_active: Mapped[bool]


def table_of_products() -> Table:
    """The table of Product, which its class declares as any selectable."""
    table = Product.__table__
    assert isinstance(table, Table)
    return table


def product(number: int) -> dict[str, Any]:
    """The columns of one product; audit_write.INSERT writes the same in SQL."""
    return {
        "sku": f"SKU-{number}",
        "name": f"Kurta, straight cut {number}",
        "description": "Cotton, hand block print, side slits, three-quarter sleeves",
        "category": ("Kurtas", "Sarees", "Shirts", "Dupattas")[number % 4],
        "unit_price": Decimal(499 + number % 2000),
        "hsn_code": "6204",
        "gst_rate": Decimal(5),
        "sizes": ["S", "M", "L", "XL"],
        "reorder_level": number % 50,
        "is_active": True,
    }


def prepare(trail: str) -> type[DeclarativeBase]:
    """Hooks `trail` into the session and returns the base that holds its tables."""
    if trail == "logger":
        return _prepare_logger()
    if trail == "continuum":
        return _prepare_continuum()
    return Base


def _prepare_continuum() -> type[DeclarativeBase]:
    """Replaces Product by a versioned twin, because Continuum hooks into classes that are made after make_versioned."""
    from sqlalchemy_continuum import make_versioned

    make_versioned(user_cls=None)

    class Versioned(DeclarativeBase):
        pass

    table = table_of_products().to_metadata(Versioned.metadata)
    globals()["Product"] = type("Product", (Versioned,), {"__table__": table, "__versioned__": {}})
    configure_mappers()
    return Versioned


def _prepare_logger() -> type[DeclarativeBase]:
    class AuditLog(Base):
        """A row per change, as many applications write it."""

        __tablename__ = "audit_log"
        __table_args__ = (Index("audit_log_entity", "entity", "entity_id"),)

        id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
        timestamp: Mapped[datetime.datetime]
        username: Mapped[str] = mapped_column(Text)
        action: Mapped[str] = mapped_column(Text)
        entity: Mapped[str] = mapped_column(Text)
        entity_id: Mapped[int] = mapped_column(BigInteger)
        old_values: Mapped[Any] = mapped_column(JSONB, nullable=True)
        new_values: Mapped[Any] = mapped_column(JSONB, nullable=True)

    @event.listens_for(Session, "after_flush")
    def _log_changes(session: Session, _context: object) -> None:
        """Compares old and new values of the session and writes them in one INSERT, the fastest way for a logger."""
        changes: list[tuple[str, Any, Values | None, Values | None]]
        changes = [("CREATE", o, None, _state(o)) for o in session.new]
        changes += [("UPDATE", o, *_differences(o)) for o in session.dirty if session.is_modified(o)]
        changes += [("DELETE", o, _state(o), None) for o in session.deleted]
        now = datetime.datetime.now()
        entries = [
            dict(
                timestamp=now,
                username="system",
                action=action,
                entity=type(o).__name__,
                entity_id=o.id,
                old_values=old,
                new_values=new,
            )
            for action, o, old, new in changes
        ]
        if entries:
            session.execute(insert(AuditLog), entries)

    return Base


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else value


def _state(o: Product) -> Values:
    return {attribute.key: _plain(getattr(o, attribute.key)) for attribute in inspect(type(o)).column_attrs}


def _differences(o: Product) -> tuple[Values, Values]:
    old: Values = {}
    new: Values = {}
    for attribute in inspect(o).attrs:
        history = attribute.history
        if history.has_changes():
            old[attribute.key] = _plain(history.deleted[0]) if history.deleted else None
            new[attribute.key] = _plain(history.added[0]) if history.added else None
    return old, new


def raise_price(o: Product) -> None:
    """Makes the change that is measured; every product of the bench has a price."""
    assert o.unit_price is not None
    o.unit_price += 5


def bulk(session: Session, rows: int) -> dict[str, float]:
    """Seconds to create `rows` products, to load and change them all, and to delete them, each in one transaction."""
    seconds = {}
    start = time.perf_counter()
    session.add_all([Product(**product(number)) for number in range(1, rows + 1)])
    session.commit()
    seconds["insert"] = time.perf_counter() - start
    session.expunge_all()

    start = time.perf_counter()
    for o in session.scalars(select(Product).order_by(Product.id)):
        raise_price(o)
    session.commit()
    seconds["update"] = time.perf_counter() - start
    session.expunge_all()

    start = time.perf_counter()
    for o in session.scalars(select(Product).order_by(Product.id)):
        session.delete(o)
    session.commit()
    seconds["delete"] = time.perf_counter() - start
    return seconds


def single(session: Session, seconds: float, seed: int) -> int:
    """Loads, changes and commits one product at a time for `seconds`. Returns how many it changed."""
    dice = random.Random(seed)
    # Each client has rows of its own: of two that read the same value, the second would write what is there.
    ids = session.scalars(select(Product.id).where(Product.id % 2 == seed % 2)).all()
    session.commit()
    done = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        raise_price(session.get_one(Product, dice.choice(ids)))
        session.commit()
        session.expunge_all()
        done += 1
    return done


def main() -> None:
    """Does one piece of work and prints its figure as JSON."""
    work, trail, url, amount = sys.argv[1:5]
    prepare(trail)
    engine = create_engine(url, connect_args={"options": "-c synchronous_commit=off"})
    with Session(engine) as session:
        if work == "bulk":
            print(json.dumps(bulk(session, int(amount))))
        else:
            print(json.dumps(single(session, float(amount), int(sys.argv[5]))))


if __name__ == "__main__":
    main()
