"""The dialogs in which a product is added, edited and deactivated."""

import re
from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.india.gst import slab_remark
from backstitch.inventory.names import sku_key, tidy
from backstitch.inventory.products import commands as product_commands
from backstitch.inventory.products import queries as product_queries
from backstitch.inventory.products.commands import ProductDetails
from backstitch.inventory.products.queries import Product
from ui import feedback
from ui.products import fields, grid, shape
from ui.products.fields import FieldTexts
from ui.shared import active_switch, formats, reason_field, session, versions
from ui.shared.dialogs import Dialog

# The subject is "new", or a Product as it was read.
DIALOG = Dialog("product_dialog")
# The questions in it; its subject is their sentences.
PENDING = Dialog("product_pending", within=DIALOG.key)
# A label per field of ProductDetails.
LABELS = {
    **{name: heading for name, heading in grid.HEADINGS.items() if name != "is_active"},
    "sizes": "Sizes",
    "allowed_stores": "Allowed stores",
    "allowed_agencies": "Allowed agencies",
}


def open_new() -> None:
    """Opens the dialog for a new product."""
    DIALOG.open("new")


def open_product(product_id: int) -> None:
    """Reads a product, with its version, and opens the dialog for it."""
    with session.read() as connection:
        DIALOG.open(product_queries.product(connection, product_id=product_id))


def show_open(*, editable: bool) -> None:
    """Draws the dialog that is open, if any."""
    opened = DIALOG.opened()
    if opened == "new" and editable:
        _add()
    elif isinstance(opened, Product):
        _edit(opened, editable)


@st.dialog("Add product", width="medium", icon=":material/styler:", on_dismiss=DIALOG.close)
def _add() -> None:
    with st.form("new_product", border=False):
        typed = fields.show(None)
        colours = st.text_input(
            "Colours",
            placeholder="Navy Blue, Mustard (MU-2), Off White",
            key="new_colours",
            help="With commas between; a code of your own in brackets",
        )
        saved = st.form_submit_button("Add product", type="primary", key="new_save")
        # In the form, so that “Add anyway” submits the texts of now, not those from before the question.
        question = st.container()
    if saved:
        PENDING.close()
        with feedback.refusals():
            _create(typed, colours or "")
    with question:
        accepted = _ask("Add anyway", key="new_anyway")
    if accepted:
        with feedback.refusals():
            _create(typed, colours or "", accepted=accepted)
            if PENDING.opened() != accepted:
                st.rerun()


def _create(typed: FieldTexts, colours: str, *, accepted: Sequence[str] = ()) -> None:
    """Adds the product, or opens the questions about it, unless the user has `accepted` them."""
    details = fields.details(typed)
    questions = _questions(details, typed)
    if set(questions) - set(accepted):
        PENDING.open(questions)
        return
    with session.write("add product") as connection:
        product_commands.create_product(connection, details=details, colours=fields.colours(colours))
    DIALOG.close()
    PENDING.close()
    hint = slab_remark(hsn=details.hsn_code, price=details.unit_price, rate=details.gst_rate)
    feedback.done(f"{tidy(details.sku)} was added.{f' {hint}' if hint else ''}", on_record=_on_record(details))


def _questions(details: ProductDetails, typed: FieldTexts, before: Product | None = None) -> tuple[str, ...]:
    """What is to be asked before saving: whether another product is meant, and whether these are the sizes."""
    questions = []
    if before is None or sku_key(before.sku) != sku_key(details.sku):
        with session.read() as connection:
            near = product_queries.near_products(connection, sku=details.sku, except_id=before.id if before else None)
        if near:
            questions.append(f"Did you mean {' or '.join(near)}?")
    listed = {len(list(filter(str.strip, re.split(pattern, typed.sizes)))) for pattern in ("[,;]", "[,;\\s]+")}
    if len(details.sizes) not in listed:
        questions.append(f"The sizes are read as {', '.join(details.sizes)}.")
    return tuple(questions)


def _ask(label: str, *, key: str) -> Sequence[str]:
    """Draws the questions that are open; returns them once the user wants to save anyway, else none."""
    questions: Sequence[str] = PENDING.opened() or ()
    if not questions:
        return ()
    st.warning(formats.plain(f"{' '.join(questions)} Nothing was saved yet."), icon=":material/content_copy:")
    return questions if st.form_submit_button(label, key=key) else ()


@st.dialog("Product", width="medium", icon=":material/styler:", on_dismiss=DIALOG.close)
def _edit(product: Product, editable: bool) -> None:
    # A click in the dialog reruns it alone with its first arguments; the session state has the product as last read.
    product = DIALOG.opened() or product
    st.subheader(formats.plain(product.sku))
    details_tab, shape_tab = st.tabs(["Details", "Sizes and colours"])
    with details_tab:
        _details(product, editable)
    with shape_tab:
        shape.show(product, editable=editable, done=_done)


def _details(product: Product, editable: bool) -> None:
    with st.form("edit_product", border=False):
        typed = fields.show(product, disabled=not editable)
        reason = colours = ""
        if editable:
            colours = st.text_input("Add colours", placeholder="Teal, Wine (WN-2)", key=fields.key("colours", product))
            reason = reason_field.for_price(key=fields.key("reason", product))
        saved = st.form_submit_button("Save", type="primary", key="edit_save", disabled=not editable)
        question = st.container()
    if saved and editable:
        PENDING.close()
        with feedback.refusals():
            _save(product, typed, colours or "", reason)
    with question:
        accepted = _ask("Save anyway", key="edit_anyway")
    if accepted and editable:
        with feedback.refusals():
            _save(product, typed, colours or "", reason, accepted=accepted)
            if PENDING.opened() != accepted:
                st.rerun()
    if editable:
        _switch(product)


def _switch(product: Product) -> None:
    if switch := active_switch.button(
        "product",
        is_active=product.is_active,
        key="edit_active",
        subject=(product.id, product.version),
        entity="Product",
        effect=f"{product.sku} leaves the lists to choose from: nothing new can be received, sold or ordered. Its "
        "stock, its entries and its record stay, and it can be taken back into use.",
    ):
        with feedback.refusals():
            with session.write(switch.operation, of=product.id, reason=switch.reason) as connection:
                product_commands.set_active(connection, product_id=product.id, is_active=not product.is_active)
            _done(product, f"{product.sku} was {switch.outcome}.")


def _done(product: Product, sentence: str) -> NoReturn:
    DIALOG.close()
    feedback.done(sentence, on_record=_on_record(product))


def _save(product: Product, typed: FieldTexts, colours: str, reason: str, *, accepted: Sequence[str] = ()) -> None:
    """Saves the product, or opens the questions about it, unless the user has `accepted` them."""
    details = fields.details(typed, stored=product.sizes)
    questions = _questions(details, typed, product)
    if set(questions) - set(accepted):
        PENDING.open(questions)
        return
    try:
        with session.write("edit product", reason=reason) as connection:
            product_commands.edit_product(connection, product_id=product.id, version=product.version, details=details)
            product_commands.add_colours(connection, product_id=product.id, colours=fields.colours(colours))
    except StaleEdit as stale:
        theirs = vars(stale.theirs) if stale.theirs else None
        differences = versions.rows(LABELS, now=theirs, opened=vars(product), yours=vars(details))
        versions.show(stale, differences if theirs else [], reopen=open_product, args=(product.id,))
        return
    DIALOG.close()
    PENDING.close()
    hint = slab_remark(hsn=details.hsn_code, price=details.unit_price, rate=details.gst_rate)
    feedback.saved(details.sku.strip(), entity="Product", on_record=_on_record(details), hint=hint)


def _on_record(product: Product | ProductDetails) -> dict[str, str]:
    """The filter of the audit report for a product, by the label of its option."""
    return {"product": product_queries.choice_label(product.sku, product.name)}
