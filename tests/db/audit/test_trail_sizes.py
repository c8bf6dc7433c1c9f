"""How much one statement can put into the trail besides the rows that it changes."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from backstitch.accounts.permissions import Role
from tests.conftest import Clone

LONG = "अ" * 3_000_000  # nine million bytes
BEGIN = "select set_config('role', accounts.begin(%s, %s, %s), true)"
# What a signed-in user can call, with a text or a document of its own that goes on the record.
CALLS: dict[str, tuple[Role, str, Any, str]] = {
    "details": (Role.ANALYST, "select audit.record_activity('EXPORT', 'AuditReport', null, %s)", Jsonb(LONG), ""),
    "many details": (
        Role.MANAGER,
        "select audit.record_activity('IMPORT', 'StockList', null, %s)",
        Jsonb({str(number): "अ" for number in range(5_000)}),
        "activity_short",
    ),
    "entity": (Role.ANALYST, "select audit.record_activity('EXPORT', %s, null, '{}')", LONG, ""),
    "reason of a deletion": (
        Role.ADMIN,
        "select audit.delete_records(now() - interval '1 hour', %s)",
        LONG,
        "reason_short",
    ),
    "reason to forget": (Role.ADMIN, "select accounts.forget_user(4, %s)", LONG, "reason_short"),
}


@pytest.mark.parametrize(("role", "call", "value", "rule"), CALLS.values(), ids=list(CALLS))
def test_a_user_cannot_put_a_long_text_on_the_record(
    kept_clone: Clone, role: Role, call: str, value: object, rule: str
) -> None:
    with kept_clone.application() as psql, pytest.raises(psycopg.Error) as refused, psql.transaction():
        psql.execute(BEGIN, (kept_clone.actor(role).token, "try", None))
        psql.execute(call, (value,))  # type: ignore[call-overload]
    assert (refused.value.sqlstate, refused.value.diag.constraint_name) == ("22001", rule or "activity_short")


def test_sixteen_kilobytes_of_details_are_recorded(kept_clone: Clone) -> None:
    with kept_clone.application() as psql, psql.transaction(force_rollback=True):
        psql.execute(BEGIN, (kept_clone.actor(Role.ANALYST).token, "export", None))
        details = Jsonb({"text": "अ" * 5_000})
        found = psql.execute("select audit.record_activity('EXPORT', 'AuditReport', null, %s)", (details,)).fetchone()
        assert found is not None
        recorded = psql.execute("select length(new_values ->> 'text') from audit.trail where id = %s", found)
        assert recorded.fetchone() == (5_000,)


@pytest.mark.parametrize(
    ("setting", "longest", "rule"),
    [("operation", 200, "operation_short"), ("reason", 400, "reason_short"), ("request", 64, "request_short")],
)
def test_what_a_login_says_of_its_work_has_a_greatest_length_however_many_bytes_a_character_has(
    kept_clone: Clone, setting: str, longest: int, rule: str
) -> None:
    say = f"select set_config('backstitch.source', 'command', true), set_config('backstitch.{setting}', %s, true)"
    insert = "insert into inventory.customers (store_name) values ('Bandra')"
    size = f"select max(octet_length({setting})) from audit.records"
    with kept_clone.superuser() as psql, psql.transaction(force_rollback=True):
        psql.execute(say, ("🧵" * longest,))
        psql.execute(insert)  # type: ignore[call-overload]
        assert psql.execute(size).fetchone() == (4 * longest,)  # type: ignore[call-overload]
        for text in ("🧵" * (longest + 1), LONG):
            with pytest.raises(psycopg.Error) as refused, psql.transaction():
                psql.execute(say, (text,))
                psql.execute(insert)  # type: ignore[call-overload]
            assert (refused.value.sqlstate, refused.value.diag.constraint_name) == ("22001", rule)
    token = kept_clone.actor(Role.MANAGER).token
    with kept_clone.application() as psql, pytest.raises(psycopg.Error) as refused, psql.transaction():
        psql.execute(
            "select accounts.begin(%s, operation => %s, reason => %s, request => %s)",
            (token, *(LONG if name == setting else None for name in ("operation", "reason", "request"))),
        )
    assert refused.value.diag.constraint_name == rule


def test_a_stranger_who_signs_in_with_a_long_name_leaves_a_short_record(clone: Clone) -> None:
    with clone.application() as psql:
        psql.execute(
            "select accounts.sign_in(%s, %s, %s, null, %s, '1 hour', '1 hour', null)", (LONG, LONG, LONG, LONG)
        )
    with clone.superuser() as psql:
        size = "select max(pg_column_size(r.*)), max(octet_length(r.new_values::text)) from audit.records r"
        row, details = psql.execute(size).fetchone() or (0, 0)
        assert row < 2_000 and details < 2_000
        kept = psql.execute("select max(octet_length(value::text)) from audit.personal_values").fetchone()
        assert kept is not None and kept[0] <= 4 * 254 + 2
