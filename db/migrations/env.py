"""Runs the migrations on the connection that `backstitch.migrations` hands over, and what comes after them.

One migration at a time (an advisory lock); a statement that waits over 5 s for a lock, or runs for over 10 minutes,
gives up, so that an upgrade cannot hang the shop. Revisions, code and steps are one transaction: all of it, or nothing.
"""

from alembic import context

from db.code import MIGRATION_LOCK

connection = context.config.attributes["connection"]
connection.exec_driver_sql("set statement_timeout = '10min'")
connection.exec_driver_sql("set client_min_messages = warning")
# The SQL and what it generates are the same, whatever an administrator has made the default.
connection.exec_driver_sql("set standard_conforming_strings = on")
connection.exec_driver_sql("set quote_all_identifiers = off")
connection.exec_driver_sql(f"select pg_advisory_lock({MIGRATION_LOCK})")
# Only now: whoever waits for another migration may wait longer than for a table.
connection.exec_driver_sql("set lock_timeout = '5s'")
connection.commit()
try:
    context.configure(connection=connection, version_table_schema="public")
    with context.begin_transaction():
        before = context.get_context().get_current_revision()
        context.run_migrations()
        ran = context.get_context().get_current_revision() != before
        context.config.attributes["after_revisions"](connection, ran)
finally:
    connection.rollback()
    connection.exec_driver_sql(f"select pg_advisory_unlock({MIGRATION_LOCK})")
    connection.exec_driver_sql("reset all")
    connection.commit()
