"""Reads and sets which changes need a reason. The database refuses a change without one (db/inventory/reasons.sql)."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

LONGEST_REASON = 400  # characters, in every form that asks for one
ANY_WRITE = "*"


@dataclass(frozen=True)
class ReasonPolicy:
    """Whether a change of a field needs a reason; the field `*` means every addition, change and deletion."""

    id: int
    entity: str
    field: str
    required: bool


# The record types are those with the trigger of db/inventory/reasons.sql, their fields the columns of the table.
ASKABLE = text(
    """
    select split_part(encode(t.tgargs, 'escape'), E'\\\\000', 1) as entity, array_agg(a.attname::text order by a.attnum)
    from pg_trigger t
    join pg_attribute a on a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped
    where t.tgname = 'reason_update' and a.attname <> all (cast(:never as text[]))
    group by 1 order by 1
    """
)
# An id never changes, and users change their password without being asked for a reason.
NEVER_ASKED = ("id", "password_hash", "must_change_password")
POLICIES = text("select id, entity, field, required from inventory.reason_policies order by entity, field")
REQUIRED = text(
    """
    select exists (select from inventory.reason_policies
                   where entity = :entity and field in (:field, '*') and required)
    """
)
SET_POLICY = text(
    """
    insert into inventory.reason_policies as p (entity, field, required) values (:entity, :field, :required)
    on conflict on constraint policy_unique do update set required = excluded.required
    where p.required <> excluded.required
    """
)


def policies(connection: Connection) -> list[ReasonPolicy]:
    """All policies, by record type and field."""
    return [ReasonPolicy(**row._mapping) for row in connection.execute(POLICIES)]


def askable(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Record type -> fields for which a reason can be asked, `*` first.

    User has no `*`: users could no longer set their own password.
    """
    fields_by_entity = {
        entity: tuple(fields) for entity, fields in connection.execute(ASKABLE, {"never": list(NEVER_ASKED)})
    }
    return {entity: fields if entity == "User" else (ANY_WRITE, *fields) for entity, fields in fields_by_entity.items()}


def reason_required(connection: Connection, *, entity: str, field: str = ANY_WRITE) -> bool:
    """Whether a change of this field needs a reason; for ANY_WRITE, whether every write of the record type does."""
    return bool(connection.execute(REQUIRED, {"entity": entity, "field": field}).scalar_one())


def set_policy(connection: Connection, *, entity: str, field: str, required: bool) -> None:
    """Sets whether a change needs a reason. Raises Refused (42501) for a user who is not an admin."""
    connection.execute(SET_POLICY, {"entity": entity.strip(), "field": field.strip(), "required": required})
