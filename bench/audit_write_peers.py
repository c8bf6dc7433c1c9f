"""Puts a trail on the table `products` of a database: `python audit_write_peers.py TRAIL URL`.

Each trail in a process of its own, because the libraries hook into all of SQLAlchemy or configure all of Django.
Each is installed by its own code, with its defaults; what it does is in the docstring of its function.
"""

import sys
from collections.abc import Callable

import audit_write_orm
from sqlalchemy import URL, Connection, MetaData, create_engine, make_url
from sqlalchemy.orm import configure_mappers, declarative_base


def _connect(url: URL) -> Connection:
    return create_engine(url, isolation_level="AUTOCOMMIT").connect()


def postgresql_audit(url: URL, *, statement_level: bool) -> None:
    """postgresql-audit: its VersioningManager creates `transaction`, `activity` and its functions with
    `metadata.create_all`; `audit_table('products')`, which it calls after creating a versioned table, makes
    the triggers. Without an actor it writes no row in `transaction`; with one it would add a row a transaction.
    """
    from postgresql_audit import VersioningManager

    base = declarative_base()
    manager = VersioningManager(use_statement_level_triggers=statement_level)
    manager.init(base)
    configure_mappers()
    products = audit_write_orm.table_of_products().to_metadata(MetaData())
    with _connect(url) as connection:
        base.metadata.create_all(connection)
        connection.execute(manager.build_audit_table_query(products))


def pghistory(url: URL, *, statement_level: bool) -> None:
    """django-pghistory: model `catalogue.Product` tracked for insert, update and delete (catalogue/models.py).
    `manage.py migrate --run-syncdb` makes its tables and its context function, `manage.py pgtrigger install`
    the triggers; both are called here in-process. No context is open, so the events carry none.
    """
    import django
    import pgtrigger
    from django.conf import settings
    from django.core.management import call_command

    database = {"NAME": url.database, "USER": url.username, "PASSWORD": url.password}
    place = {"HOST": url.query["host"], "PORT": url.query["port"]}
    settings.configure(
        INSTALLED_APPS=["pgtrigger", "pghistory", "catalogue"],
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **database, **place}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PGHISTORY_LEVEL=pgtrigger.Statement if statement_level else pgtrigger.Row,
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("pgtrigger", "install", verbosity=0)


def orm_tables(url: URL, trail: str) -> None:
    """SQLAlchemy-Continuum and the `after_flush` logger: their tables by `metadata.create_all` (audit_write_orm.py)."""
    base = audit_write_orm.prepare(trail)
    with _connect(url) as connection:
        base.metadata.create_all(connection)


INSTALLERS: dict[str, Callable[[URL], None]] = {
    "postgresql-audit-row": lambda url: postgresql_audit(url, statement_level=False),
    "postgresql-audit-statement": lambda url: postgresql_audit(url, statement_level=True),
    "pghistory-row": lambda url: pghistory(url, statement_level=False),
    "pghistory-statement": lambda url: pghistory(url, statement_level=True),
    "continuum": lambda url: orm_tables(url, "continuum"),
    "logger": lambda url: orm_tables(url, "logger"),
}

if __name__ == "__main__":
    INSTALLERS[sys.argv[1]](make_url(sys.argv[2]))
