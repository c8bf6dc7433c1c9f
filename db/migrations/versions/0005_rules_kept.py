"""Rules that others could get around, kept: undo, the rights to read, sessions, locks, and the doctor of them.

Why: a review found an undo that took another user's later lines with it, a session that could be ended by a
stranger, a trail that could be read with another role's rights, and locks that locked nothing.
Whoever backs up with a login that is neither the owner nor may bypass row-level security has to say so to pg_dump
from here on (docs/operations.md): accounts.users has policies.
Locks: ACCESS EXCLUSIVE on order_lines and orders while the foreign key is made anew and checked, about 3 seconds per
million lines; on users while its policies are, and SHARE ROW EXCLUSIVE on each table while its triggers are made again,
milliseconds each. All are held until the migration commits.
"""

from db.migrations.files import run_as_owner, run_file, run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What a draft loses with it is deleted by name, so that undo gives it back in an order that its keys allow.
LINES = """
alter table inventory.order_lines drop constraint line_of_order,
    add constraint line_of_order foreign key (order_id) references inventory.orders;
"""

# Its grouping is that of backstitch/audit/operations.py, which the screen shows.
OPERATIONS = "drop function if exists audit.operations(timestamptz, timestamptz);"

# A colour's cells follow it whenever they change, not only when they are new; a rule about what is never asked for a
# reason asked nobody, and stopped the start.
MATRIX_AND_REASONS = """
drop trigger if exists shape_new_cell on inventory.product_color_stocks;
drop function if exists inventory.shape_new_cell();
delete from inventory.reason_policies p
where not exists (select from pg_trigger t
                  where t.tgname = 'reason_update' and t.tgargs = convert_to(p.entity, 'UTF8') || '\\x00');
"""

# Months that the demo made, or somebody in psql, belonged to that login, and their rights to nobody else; so does the
# view after a restore by a login that is no superuser, when the schema lets backstitch_owner create nothing yet.
OWNERS = """
do $$
declare
    month regclass;
begin
    if exists (select from pg_class c where c.oid = to_regclass('public.audit_logs')
                   and c.relowner <> 'backstitch_owner'::regrole) then
        grant create on schema public to backstitch_owner;
        alter view public.audit_logs owner to backstitch_owner;
    end if;
    for month in
        select i.inhrelid from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'audit.records'::regclass and c.relowner <> 'backstitch_owner'::regrole
    loop
        execute format('alter table %s owner to backstitch_owner', month);
    end loop;
end
$$;
"""

FILES = (
    "triggers.sql",
    "replay.sql",
    "seals.sql",
    "sign_in.sql",
    "accounts.sql",
    "stock.sql",
    "adjustments.sql",
    "orders.sql",
    "reasons.sql",
    "undo.sql",
    "doctor.sql",
)


def upgrade() -> None:
    run_sql(OWNERS)
    run_as_owner(LINES)
    run_as_owner(OPERATIONS)
    run_as_owner(MATRIX_AND_REASONS)
    for file in FILES:
        run_file(file)
