"""The rules that demand a reason: their list, the form to add one, the question before one is switched off."""

from collections.abc import Mapping, Sequence

import streamlit as st

from backstitch.audit.wording import entity_word, field_word
from backstitch.inventory import reasons
from backstitch.inventory.reasons import ANY_WRITE, ReasonPolicy
from ui import feedback
from ui.shared import reason_field, session
from ui.shared.dialogs import Dialog

DIALOG = Dialog("reason_rule")
ON_RECORD = {"type": entity_word("ReasonPolicy")}


def show(rules: Sequence[ReasonPolicy]) -> None:
    """Draws the rules, with a button per row that asks whether to switch the rule off."""
    if not rules:
        st.info("No change asks for a reason.", icon=":material/help_center:")
        return
    st.dataframe(
        [
            {
                "entity": entity_word(rule.entity),
                "field": _label(rule.field),
                "open": ":material/block: Switch off",
            }
            for rule in rules
        ],
        key="reason_rules",
        hide_index=True,
        height="content",
        alt="What asks for a reason",
        column_config={
            "entity": "Record type",
            "field": "Asked for",
            "open": st.column_config.ButtonColumn(
                "",
                key="reason_rule_open",
                type="tertiary",
                on_click=lambda: DIALOG.open(rules[st.session_state["reason_rule_open"].row]),
            ),
        },
    )


def add_form(askable: Mapping[str, Sequence[str]], rules: Sequence[ReasonPolicy]) -> None:
    """Draws the form to add a rule; `askable` has the fields per entity."""
    entity = st.selectbox("Record type", list(askable), format_func=entity_word, key="reason_entity", width=340)
    ruled = {rule.field for rule in rules if rule.entity == entity}
    available = [field for field in askable[entity] if field not in ruled]
    if ANY_WRITE in ruled or not available:
        st.caption("All of it asks for a reason already.")
        return
    # Each rule has a form of its own: the next one is empty, and a second click does not submit it.
    with st.form(f"reason_rule_new_{len(rules)}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            field = st.selectbox("Asked for", available, format_func=_label, key=f"reason_field_{entity}", width=340)
            reason = _reason_field(f"reason_rule_why_{len(rules)}")
        pressed = st.form_submit_button("Ask for a reason", type="primary", key=f"reason_rule_save_{len(rules)}")
    if pressed:
        _set(entity, field, True, reason)


def show_open() -> None:
    """Draws the question whether to switch a rule off, if it is open."""
    rule = DIALOG.opened()
    if isinstance(rule, ReasonPolicy):
        _switch_off(rule)


@st.dialog("Ask no more", icon=":material/block:", on_dismiss=DIALOG.close)
def _switch_off(rule: ReasonPolicy) -> None:
    st.text(f"{_rule_label(rule.entity, rule.field)}: nobody will be asked why any more.")
    with st.form("reason_rule_off", border=False):
        reason = _reason_field("reason_rule_off_why")
        pressed = st.form_submit_button("Switch off", type="primary", key="reason_rule_off_save")
    if pressed:
        _set(rule.entity, rule.field, False, reason)


def _set(entity: str, field: str, required: bool, reason: str | None) -> None:
    with feedback.refusals():
        with session.write("ask for a reason" if required else "ask for no reason", reason=reason) as connection:
            reasons.set_policy(connection, entity=entity, field=field, required=required)
        DIALOG.close()
        feedback.done(
            f"{_rule_label(entity, field)}: {'a' if required else 'no'} reason is asked for from now on.",
            on_record=ON_RECORD,
        )


def _reason_field(key: str) -> str | None:
    return reason_field.for_entity("ReasonPolicy", key=key, always=True)


def _rule_label(entity: str, field: str) -> str:
    return f"{entity_word(entity)}, {'every change' if field == ANY_WRITE else field_word(field)}"


def _label(field: str) -> str:
    return "Every change" if field == ANY_WRITE else field_word(field)
