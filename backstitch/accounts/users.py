"""Lists, adds, changes and forgets users. Users are never deleted, because the trail names them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from backstitch.accounts import passwords
from backstitch.accounts.permissions import Role
from backstitch.errors import Refused, StaleEdit

# Only admins may read it. locked_until is null for users who can sign in.
LIST = text(
    """
    select u.id, u.email, u.name, u.role, u.is_active, u.must_change_password, l.locked_until
    from accounts.users u
    left join accounts.locked_users() l on l.user_id = u.id
    order by u.is_active desc, lower(u.name), u.id
    """
)
CREATE = text(
    """
    insert into accounts.users (email, name, role, password_hash, must_change_password)
    values (:email, :name, :role, :password_hash, :must_change_password)
    returning id
    """
)
# Changes a user only if the values are still those that the admin saw.
EDIT = text(
    """
    update accounts.users set email = :email, name = :name, role = :role
    where id = :user_id and email = :old_email and name = :old_name and role = :old_role
    """
)
SET_ACTIVE = text("update accounts.users set is_active = :is_active where id = :user_id")
SET_PASSWORD = text(
    "update accounts.users set password_hash = :password_hash, must_change_password = true where id = :user_id"
)
UNLOCK = text("select accounts.unlock(:user_id)")
FORGET = text("select accounts.forget_user(:user_id, :reason)")


@dataclass(frozen=True)
class UserLine:
    """A row of the list of users; `locked_until` is set while sign-ins are refused after too many failures."""

    id: int
    email: str
    name: str
    role: Role
    is_active: bool
    must_change_password: bool
    locked_until: datetime | None


def list_users(connection: Connection) -> list[UserLine]:
    """All users, the active ones first, by name. For admins."""
    return [UserLine(**row | {"role": Role(row["role"])}) for row in map(dict, connection.execute(LIST).mappings())]


def create_user(
    connection: Connection,
    *,
    email: str,
    name: str,
    role: Role,
    password: str | None,
    must_change_password: bool = False,
    cost: int | None = None,
) -> int:
    """Creates a user; returns the id. Raises Refused for a weak password, and `email_unique` for an address in use.

    A user without a password can only sign in through the identity provider.
    """
    if password is not None:
        passwords.check_strength(password)
    return int(
        connection.execute(
            CREATE,
            {
                "email": email.strip(),
                "name": name.strip(),
                "role": role.value,
                "password_hash": None if password is None else passwords.hash_password(password, cost=cost),
                "must_change_password": must_change_password,
            },
        ).scalar_one()
    )


def edit_user(connection: Connection, *, read: UserLine, email: str, name: str, role: Role) -> None:
    """Updates a user. Raises StaleEdit when somebody else has changed it since it was `read`.

    A new role ends the user's sessions. Raises Refused `last_admin` when no active admin would be left.
    """
    new_values = {"email": email.strip(), "name": name.strip(), "role": role.value, "user_id": read.id}
    old_values = {"old_email": read.email, "old_name": read.name, "old_role": read.role.value}
    if connection.execute(EDIT, new_values | old_values).rowcount == 0:
        raise StaleEdit("Somebody else changed this user since you opened it. Nothing was saved; open it again.")


def set_active(connection: Connection, *, user_id: int, is_active: bool) -> None:
    """Activates or deactivates a user; deactivating ends the user's sessions. Raises Refused `last_admin`."""
    connection.execute(SET_ACTIVE, {"user_id": user_id, "is_active": is_active})


def reset_password(connection: Connection, *, user_id: int, password: str) -> None:
    """Sets a password that the user must change at the next sign-in; ends the sessions and the lock-out."""
    connection.execute(SET_PASSWORD, {"user_id": user_id, "password_hash": passwords.hash_password(password)})
    unlock(connection, user_id=user_id)


def unlock(connection: Connection, *, user_id: int) -> bool:
    """Clears a user's failed sign-ins; returns whether the user was locked out."""
    return bool(connection.execute(UNLOCK, {"user_id": user_id}).scalar_one())


def forget_user(connection: Connection, *, user_id: int, reason: str) -> int:
    """Replaces a user's name and address by a pseudonym in the whole trail; this cannot be undone.

    Returns how many records still mention the person in free text. Raises Refused `forget_another_user`,
    `forget_with_reason`, `last_admin`.
    """
    if not reason.strip():
        raise Refused("Say why the person is forgotten; the reason stays on the record.", rule="forget_with_reason")
    return int(connection.execute(FORGET, {"user_id": user_id, "reason": reason.strip()}).scalar_one())
