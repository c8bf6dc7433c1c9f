"""The fingerprint of what the trail stands on: the code of the database, its tables, rights and roles, as SHA-256.

On the record after each migration and once a day (MAINTENANCE, entity Fingerprint), and sealed with the rest. So it
can be shown later that the code and the rights of a day were those of a version, or from which day on they were not.
"""

import hashlib
import json
from collections import defaultdict
from datetime import timedelta

from sqlalchemy import Connection, text

from backstitch import __version__
from db import catalog

EVERY = timedelta(hours=20)  # between two, when nothing has changed; the app asks once a day and at each start

# The kinds of db/judge/ by what they are part of; any other kind is part of the tables.
PARTS = {
    **dict.fromkeys(("function", "trigger", "rule", "view", "policy", "event trigger", "system functions"), "code"),
    **dict.fromkeys(("right", "foreign right", "owner", "parameter right", "default right"), "rights"),
    **dict.fromkeys(("role", "member", "setting"), "roles"),
}
LAST = text(
    """
    select r.new_values, r.recorded_at > now() - :every from audit.records r
    where r.entity_id is null and r.entity = 'Fingerprint' and r.action = 'MAINTENANCE'
    order by r.recorded_at desc, r.id desc limit 1
    """
)
RECORD = text("select audit.record_activity('MAINTENANCE', 'Fingerprint', null, cast(:details as jsonb))")


def fingerprint(connection: Connection) -> dict[str, str]:
    """The version and the SHA-256 of each part: code, tables, rights, roles. Any login may ask."""
    parts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for object, present in catalog.present(connection).items():
        parts[PARTS.get(object.kind, "tables")][f"{object.kind} {object.name}"] = present.definition
    hashes = {part: _sha256(parts[part]) for part in ("code", "tables", "rights", "roles")}
    return {"version": __version__, **hashes}


def record(connection: Connection) -> bool:
    """Records the fingerprint if it differs from the last one on the record, or that is a day old. Owner only.

    Returns whether it did. The caller commits.
    """
    found = fingerprint(connection)
    last = connection.execute(LAST, {"every": EVERY}).one_or_none()
    if last is not None and last[0] == found and last[1]:
        return False
    connection.execute(RECORD, {"details": json.dumps(found)})
    return True


def _sha256(objects: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(objects, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
