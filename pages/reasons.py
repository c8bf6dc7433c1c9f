"""Reasons: an admin decides which changes demand one."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory import reasons
from ui.reasons import rules as reason_rules
from ui.shared import session

session.require(Permission.MANAGE_USERS)

st.title("Reasons")
st.text("The database refuses these changes to whoever gives no reason. The reason stays on the record.")

with session.read() as connection:
    rules = [policy for policy in reasons.policies(connection) if policy.required]
    askable = reasons.askable(connection)

reason_rules.show(rules)
st.subheader("Ask for one more")
reason_rules.add_form(askable, rules)
reason_rules.show_open()
