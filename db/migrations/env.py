"""Alembic's environment: runs the revisions, then the code and the steps, on the connection of `backstitch.migrations`.

One migration runs at a time (an advisory lock). A statement fails that waits for a lock over 5 s or runs over 10 min,
so that an upgrade cannot block the business. Revisions, code and steps are one transaction.
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
# Set after the advisory lock, because waiting for another migration may take longer than waiting for a table.
connection.exec_driver_sql("set lock_timeout = '5s'")
connection.commit()
try:
    context.configure(connection=connection, version_table_schema="public")
    with context.begin_transaction():
        before = context.get_context().get_current_revision()
        context.config.attributes["before_revisions"](connection)
        context.run_migrations()
        ran = context.get_context().get_current_revision() != before
        context.config.attributes["after_revisions"](connection, ran)
finally:
    connection.rollback()
    connection.exec_driver_sql(f"select pg_advisory_unlock({MIGRATION_LOCK})")
    connection.exec_driver_sql("reset all")
    connection.commit()
