"""A database whose functions of the trail say nothing: what judges it must not notice."""

from psycopg import sql

from tests.db.trail import Connection, switch_off_event_triggers

FUNCTIONS = """
    select p.oid::regprocedure::text, p.proname::text, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
           p.proretset or p.prorettype = any ('{void, event_trigger}'::regtype[])
    from pg_proc p where p.pronamespace = 'audit'::regnamespace and p.prokind = 'f'
"""


def empty_functions(psql: Connection) -> int:
    """Replaces every function of the schema audit by one of the same signature that returns nothing; returns how many.

    From then on nothing that is written is recorded.
    """
    functions = psql.execute(FUNCTIONS).fetchall()
    switch_off_event_triggers(psql)
    with psql.transaction():
        for _, name, arguments, result, ends in functions:
            psql.execute(
                sql.SQL("create or replace function {}({}) returns {} language plpgsql as {}").format(
                    sql.Identifier("audit", name),
                    sql.SQL(arguments),
                    sql.SQL(result),
                    sql.Literal("begin return; end" if ends else "begin return null; end"),
                )
            )
    return len(functions)
