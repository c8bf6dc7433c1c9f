"""Customers: find, add, edit, deactivate, delete, forget."""

from backstitch.accounts.permissions import Permission
from ui.parties import forms as party_forms
from ui.parties import kinds as party_kinds
from ui.shared import session

user = session.require(Permission.SEE_INVENTORY)

party_forms.page(party_kinds.CUSTOMERS, editable=user.may(Permission.EDIT_INVENTORY))
