"""Customers: find, add, edit, deactivate, delete."""

from backstitch.accounts.permissions import Permission
from ui import party_forms, party_kinds, session

user = session.require(Permission.SEE_INVENTORY)

party_forms.page(party_kinds.CUSTOMERS, editable=user.may(Permission.EDIT_INVENTORY))
