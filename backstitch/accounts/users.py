"""Users: who there is, adding, changing, forgetting. They are never deleted, because the trail names them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from backstitch.accounts import passwords
from backstitch.accounts.permissions import Role
from backstitch.errors import Refused, StaleEdit

# For admins, by name. locked_until is null for who can sign in.
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
# Only over the values that the admin saw.
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
    """A user as an admin sees them; `locked_until` where sign-ins are refused for too many failures."""

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
    """Creates a user and returns the id. Raises Refused for a weak password; `email_unique` if it is taken.

    Who has no password signs in through the identity provider only.
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
                "password_hash": None if password is None else passwords.stored(password, cost=cost),
                "must_change_password": must_change_password,
            },
        ).scalar_one()
    )


def edit_user(connection: Connection, *, read: UserLine, email: str, name: str, role: Role) -> None:
    """Changes a user as it was `read`. Raises StaleEdit when somebody else has changed it since.

    A new role ends the user's sessions. Raises Refused `last_admin` when no active admin would be left.
    """
    given = {"email": email.strip(), "name": name.strip(), "role": role.value, "user_id": read.id}
    seen = {"old_email": read.email, "old_name": read.name, "old_role": read.role.value}
    if connection.execute(EDIT, given | seen).rowcount == 0:
        raise StaleEdit("Somebody else changed this user since you opened it. Nothing was saved; open it again.")


def set_active(connection: Connection, *, user_id: int, is_active: bool) -> None:
    """Takes a user out of use, which ends the sessions, or back into it. Raises Refused `last_admin`."""
    connection.execute(SET_ACTIVE, {"user_id": user_id, "is_active": is_active})


def reset_password(connection: Connection, *, user_id: int, password: str) -> None:
    """Gives a user a password to sign in with once, and then to replace; ends the sessions and the lock-out."""
    connection.execute(SET_PASSWORD, {"user_id": user_id, "password_hash": passwords.stored(password)})
    unlock(connection, user_id=user_id)


def unlock(connection: Connection, *, user_id: int) -> bool:
    """Forgets a user's failed sign-ins; whether sign-ins were refused."""
    return bool(connection.execute(UNLOCK, {"user_id": user_id}).scalar_one())


def forget_user(connection: Connection, *, user_id: int, reason: str) -> int:
    """Replaces name and address by a pseudonym wherever the trail shows them. Nothing brings them back.

    Returns how many records still mention the person in free text. Raises Refused `forget_another_user`,
    `forget_with_reason`, `last_admin`.
    """
    if not reason.strip():
        raise Refused("Say why the person is forgotten; the reason stays on the record.", rule="forget_with_reason")
    return int(connection.execute(FORGET, {"user_id": user_id, "reason": reason.strip()}).scalar_one())
