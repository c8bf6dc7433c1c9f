"""Users: creating them. They are never deleted, because the trail names them."""

from sqlalchemy import Connection, text

from backstitch.accounts import passwords
from backstitch.accounts.permissions import Role

CREATE = text(
    """
    insert into accounts.users (email, name, role, password_hash, must_change_password)
    values (:email, :name, :role, :password_hash, :must_change_password)
    returning id
    """
)


def create_user(
    connection: Connection,
    *,
    email: str,
    name: str,
    role: Role,
    password: str,
    must_change_password: bool = False,
    cost: int = passwords.COST,
) -> int:
    """Creates a user and returns the id. Raises Refused for a weak password; `email_unique` if it is taken."""
    passwords.check_strength(password)
    return int(
        connection.execute(
            CREATE,
            {
                "email": email.strip(),
                "name": name.strip(),
                "role": role.value,
                "password_hash": passwords.stored(password, cost=cost),
                "must_change_password": must_change_password,
            },
        ).scalar_one()
    )
