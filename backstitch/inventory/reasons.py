"""Which changes need a reason. The database refuses those that lack one (db/inventory/reasons.sql)."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

ANY_WRITE = "*"


@dataclass(frozen=True)
class ReasonPolicy:
    """A field of a record type, or `*` for every addition, change and deletion of it."""

    id: int
    entity: str
    field: str
    required: bool


# What db/inventory/reasons.sql asks for: the triggers say which record types, and their tables which fields.
ASKABLE = text(
    """
    select split_part(encode(t.tgargs, 'escape'), '\\000', 1) as entity, array_agg(a.attname::text order by a.attnum)
    from pg_trigger t
    join pg_attribute a on a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped
    where t.tgname = 'reason_update' and a.attname <> all (cast(:never as text[]))
    group by 1 order by 1
    """
)
# Numbers that never change; and what users set themselves, with a new password, where nobody is asked why.
NEVER = ("id", "password_hash", "must_change_password")
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
    """Record type -> what a reason can be asked for: `*` first, then its fields.

    Not every change of a user: they could not set a password of their own any more.
    """
    found = {entity: tuple(fields) for entity, fields in connection.execute(ASKABLE, {"never": list(NEVER)})}
    return {entity: fields if entity == "User" else (ANY_WRITE, *fields) for entity, fields in found.items()}


def reason_required(connection: Connection, *, entity: str, field: str = ANY_WRITE) -> bool:
    """Whether changing this field needs a reason; without a field, whether every write of the entity does."""
    return bool(connection.execute(REQUIRED, {"entity": entity, "field": field}).scalar_one())


def set_policy(connection: Connection, *, entity: str, field: str, required: bool) -> None:
    """Says whether a change needs a reason. Raises Refused (42501) for anybody but an admin."""
    connection.execute(SET_POLICY, {"entity": entity.strip(), "field": field.strip(), "required": required})
