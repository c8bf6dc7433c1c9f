"""The dialogs in which a product is added, edited and deactivated."""

import streamlit as st

from backstitch.errors import StaleEdit
from backstitch.inventory import catalogue, products
from backstitch.inventory.catalogue import Product
from backstitch.inventory.products import ProductDetails
from ui import feedback, formats, product_fields, product_shape, session

# What is open survives a rerun: "new", a Product as it was read, or nothing.
OPEN = "product_dialog"


def open_new() -> None:
    """Opens the dialog for a new product."""
    st.session_state[OPEN] = "new"


def open_product(product_id: int) -> None:
    """Reads a product, with its version, and opens the dialog for it."""
    with session.read() as connection:
        st.session_state[OPEN] = catalogue.product(connection, product_id=product_id)


def close() -> None:
    """Closes the dialog."""
    st.session_state.pop(OPEN, None)


def show_open(*, editable: bool) -> None:
    """Draws the dialog that is open, if any."""
    opened = st.session_state.get(OPEN)
    if opened == "new" and editable:
        _add()
    elif isinstance(opened, Product):
        _edit(opened, editable)


@st.dialog("Add product", width="medium", icon=":material/styler:", on_dismiss=close)
def _add() -> None:
    with st.form("new_product", border=False):
        typed = product_fields.show(None)
        colours = st.text_input(
            "Colours",
            placeholder="Navy Blue, Mustard (MU-2), Off White",
            key="new_colours",
            help="With commas between; a code of your own in brackets",
        )
        saved = st.form_submit_button("Add product", type="primary", key="new_save")
    if saved:
        with feedback.refusals():
            details = product_fields.details(typed)
            with session.write("add product") as connection:
                products.create_product(connection, details=details, colours=product_fields.colours(colours or ""))
            close()
            feedback.done(f"{details.sku} was added.", on_record=_on_record(details))


@st.dialog("Product", width="medium", icon=":material/styler:", on_dismiss=close)
def _edit(product: Product, editable: bool) -> None:
    # A click inside runs the dialog alone, with what it was opened with; the product may have been read anew.
    product = st.session_state.get(OPEN, product)
    st.subheader(formats.plain(product.sku))
    details_tab, shape_tab = st.tabs(["Details", "Sizes and colours"])
    with details_tab:
        _details(product, editable)
    with shape_tab:
        product_shape.show(product, editable=editable, done=_done)


def _details(product: Product, editable: bool) -> None:
    with st.form("edit_product", border=False):
        typed = product_fields.show(product, disabled=not editable)
        reason = colours = ""
        if editable:
            colours = st.text_input(
                "Add colours", placeholder="Teal, Wine (WN-2)", key=product_fields.key("colours", product)
            )
            reason = product_fields.reason("reason", product)
        saved = st.form_submit_button("Save", type="primary", key="edit_save", disabled=not editable)
    if saved and editable:
        with feedback.refusals():
            _save(product, product_fields.details(typed), colours or "", reason)
    if editable:
        _switch(product)


def _switch(product: Product) -> None:
    verb = "Deactivate" if product.is_active else "Take back into use"
    operation = "deactivate product" if product.is_active else "take product back into use"
    if st.button(verb, icon=":material/power_settings_new:", key="edit_active"):
        with feedback.refusals():
            with session.write(operation) as connection:
                products.set_active(connection, product_id=product.id, is_active=not product.is_active)
            state = "deactivated" if product.is_active else "taken back into use"
            _done(product, f"{product.sku} was {state}.")


def _done(product: Product, sentence: str) -> None:
    close()
    feedback.done(sentence, on_record=_on_record(product))


def _save(product: Product, details: ProductDetails, colours: str, reason: str) -> None:
    try:
        with session.write("edit product", reason=reason.strip() or None) as connection:
            products.edit_product(connection, product_id=product.id, version=product.version, details=details)
            products.add_colours(connection, product_id=product.id, colours=product_fields.colours(colours))
    except StaleEdit as stale:
        st.error(formats.plain(str(stale)), icon=":material/sync_problem:")
        _show_both(product, stale.theirs, details)
        return
    close()
    feedback.done(f"{details.sku} was saved.", on_record=_on_record(details))


def _show_both(read: Product, theirs: Product, mine: ProductDetails) -> None:
    rows = [
        {"Field": name.replace("_", " ").capitalize(), "Now": _shown(getattr(theirs, name)), "Yours": _shown(value)}
        for name, value in vars(mine).items()
        if _shown(getattr(theirs, name)) != _shown(value) or getattr(theirs, name) != getattr(read, name)
    ]
    st.dataframe(rows, hide_index=True, alt="The record as it stands now beside what you entered")
    st.button("Edit the record as it stands now", key="edit_again", on_click=open_product, args=(read.id,))


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _on_record(product: Product | ProductDetails) -> dict[str, str]:
    """The audit report's filter for a product; the URL carries what its choice shows."""
    return {"product": catalogue.choice(product.sku, product.name)}
