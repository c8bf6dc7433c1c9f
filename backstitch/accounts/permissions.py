"""The permissions of each role: the navigation shows them, each page checks them, the database enforces its grants."""

from enum import StrEnum


class Role(StrEnum):
    """The four roles; accounts.users.role holds the value."""

    ADMIN = "admin"
    MANAGER = "manager"
    ANALYST = "analyst"
    VIEWER = "viewer"


class Permission(StrEnum):
    """The permissions that a role can have."""

    SEE_INVENTORY = "see inventory"
    EDIT_INVENTORY = "edit inventory"
    READ_TRAIL = "read the trail"
    READ_WHOLE_TRAIL = "read the trail of accounts"
    MANAGE_USERS = "manage users"
    OWN_ACCOUNT = "see the own account"


EVERYBODY = frozenset({Permission.SEE_INVENTORY, Permission.OWN_ACCOUNT})

ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MANAGER: EVERYBODY | {Permission.EDIT_INVENTORY, Permission.READ_TRAIL},
    Role.ANALYST: EVERYBODY | {Permission.READ_TRAIL, Permission.READ_WHOLE_TRAIL},
    Role.VIEWER: EVERYBODY,
}


def may(role: Role, permission: Permission) -> bool:
    """Whether `role` has `permission`."""
    return permission in ALLOWED[role]
