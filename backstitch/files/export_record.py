"""Records an export in the trail, with the file's hash, before the file is sent."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from backstitch.database import Actor, Database

RECORD = text("select audit.record_activity(:action, :entity, cast(:id as bigint), cast(:details as jsonb))")


def record(
    database: Database,
    actor: Actor,
    *,
    operation: str,
    entity: str,
    id: int | None = None,
    details: Mapping[str, Any],
    action: str = "EXPORT",
) -> None:
    """Records an export of `entity`, or of its record `id`; `details` has at least file_name, sha256 and bytes.

    The action EXPORT_END is for one that ended early; its details have the outcome.

    Raises Refused (42501) when the actor's role may not export, and SignedOut.
    """
    with database.transaction(actor, operation=operation) as connection:
        connection.execute(RECORD, {"action": action, "entity": entity, "id": id, "details": json.dumps(details)})
