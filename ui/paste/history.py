"""Who recorded what is there already, and when, as the trail knows it."""

from collections.abc import Sequence
from datetime import date, datetime

from backstitch.audit import search as audit_search
from backstitch.audit.records import Record
from ui.shared import formats, session


def changed(entity: str, entity_id: int) -> str:
    """`by Meera Shah on 3 Nov`: the last change of a record; '' if the trail does not show it."""
    with session.read() as connection:
        records = audit_search.history(connection, entity=entity, entity_id=entity_id, size=1).records
    return f"by {_person(records[0])} {_moment(records[0].recorded_at)}" if records else ""


def recorded(entity: str, ids: Sequence[int]) -> str:
    """`recorded by Meera Shah today at 10:12`, from the first and the last of these records; '' if not shown."""
    with session.read() as connection:
        made = [
            record
            for entity_id in sorted({min(ids), max(ids)})
            for record in audit_search.history(connection, entity=entity, entity_id=entity_id).records
            if record.action == "CREATE"
        ]
    words = [f"by {_person(record)} {_moment(record.recorded_at)}" for record in made]
    return "recorded " + " and ".join(dict.fromkeys(words)) if words else ""


def _person(record: Record) -> str:
    return record.user_name or record.username


def _moment(moment: datetime) -> str:
    local = moment.astimezone(formats.timezone())
    if local.date() == formats.today():
        return f"today at {local:%H:%M}"
    return f"on {day(local.date())} at {local:%H:%M}"


def day(found: date) -> str:
    """`3 Nov`, and `3 Nov 2025` in another year than this."""
    return f"{found.day} {found:%b}" + ("" if found.year == formats.today().year else f" {found.year}")
