"""Names of orders, parties and adjustments in the trail, of deleted ones too."""

from backstitch.accounts.permissions import Role
from backstitch.audit import labels
from backstitch.audit.labels import Subject
from backstitch.inventory.movements import adjustments
from backstitch.inventory.movements.adjustments import Adjustment
from backstitch.inventory.orders import commands as order_commands
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.parties.commands import CustomerDetails
from tests.conftest import Clone
from tests.db.business import DAY, open_business


def test_orders_parties_and_adjustments_have_names_after_their_deletion_too(clone: Clone) -> None:
    business = open_business(clone)
    numbered, draft = business.draft(), business.draft()
    business.move("confirmed", numbered)
    with business.write(reason="count") as connection:
        correction = Adjustment(business.product, "RED", "S", 1, DAY, "count")
        adjustments.adjust(connection, adjustments=[correction])
        gone = party_commands.create_customer(connection, details=CustomerDetails("Gone"))
    with business.clone.superuser() as psql:
        psql.execute("delete from inventory.customers where id = %s", (gone,))
    with business.write() as connection:
        order_commands.delete_drafts(connection, versions=business.versions([draft]))
    asked = [
        ("Order", numbered, "Order 2026-27/1 · Mehta Stores"),
        ("Order", draft, "Draft 2 · Mehta Stores"),
        ("OrderLine", 1, "Line 1 · KT-1 · Red · S"),
        ("OrderLine", 2, "Line 2 · KT-1 · Red · S"),
        ("StockAdjustment", 1, "Adjustment 1 · KT-1 · Red · S"),
        ("Customer", business.customer, "Customer Mehta Stores"),
        ("Customer", gone, "Customer Gone"),
        ("Customer", 99, "Customer 99"),
        ("Agency", business.agency, "Agency Rao & Sons"),
        ("OrderCounter", 1, "Order counter 2026-27"),
        ("ReasonPolicy", 1, "Reason policy Stock adjustment · every change"),
    ]
    with clone.app.read(clone.actor(Role.ANALYST)) as connection:
        subjects = [Subject(entity, id, None, None, "x") for entity, id, _ in asked]
        assert labels.resolve(connection, subjects=subjects) == [name for _, _, name in asked]
