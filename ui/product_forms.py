"""The dialogs in which a product is added, edited and deactivated."""

from decimal import Decimal, InvalidOperation

import streamlit as st

from backstitch.errors import Refused, StaleEdit
from backstitch.inventory import catalogue, products, sizes
from backstitch.inventory.catalogue import Product
from backstitch.inventory.products import ProductDetails
from ui import feedback, formats, session

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
        fields = _fields(None)
        colours = st.text_input("Colours", placeholder="Navy Blue, Mustard, Off White", key="new_colours")
        saved = st.form_submit_button("Add product", type="primary", key="new_save")
    if saved:
        with feedback.refusals():
            details = _details(fields)
            with session.write("add product") as connection:
                products.create_product(connection, details=details, colours=colours.split(","))
            close()
            feedback.done(f"{details.sku} was added.", on_record=_on_record(details))


@st.dialog("Product", width="medium", icon=":material/styler:", on_dismiss=close)
def _edit(product: Product, editable: bool) -> None:
    # A click inside runs the dialog alone, with what it was opened with; the product may have been read anew.
    product = st.session_state.get(OPEN, product)
    st.subheader(formats.plain(product.sku))
    with st.form("edit_product", border=False):
        fields = _fields(product, disabled=not editable)
        colours = st.text_input(
            "Add colours", placeholder="Teal, Wine", key=_key("colours", product), disabled=not editable
        )
        saved = st.form_submit_button("Save", type="primary", key="edit_save", disabled=not editable)
    if saved and editable:
        with feedback.refusals():
            _save(product, _details(fields), colours)
    if editable:
        verb = "Deactivate" if product.is_active else "Take back into use"
        operation = "deactivate product" if product.is_active else "take product back into use"
        if st.button(verb, icon=":material/power_settings_new:", key="edit_active"):
            with feedback.refusals():
                with session.write(operation) as connection:
                    products.set_active(connection, product_id=product.id, is_active=not product.is_active)
                close()
                state = "deactivated" if product.is_active else "taken back into use"
                feedback.done(f"{product.sku} was {state}.", on_record=_on_record(product))


def _save(product: Product, details: ProductDetails, colours: str) -> None:
    try:
        with session.write("edit product") as connection:
            products.edit_product(connection, product_id=product.id, version=product.version, details=details)
            products.add_colours(connection, product_id=product.id, colours=colours.split(","))
    except StaleEdit as stale:
        st.error(formats.plain(str(stale)), icon=":material/sync_problem:")
        _show_both(product, stale.theirs, details)
        return
    close()
    feedback.done(f"{details.sku} was saved.", on_record=_on_record(details))


def _show_both(read: Product, theirs: Product, mine: ProductDetails) -> None:
    rows = [
        {"Field": name.replace("_", " ").capitalize(), "Now": str(getattr(theirs, name)), "Yours": str(value)}
        for name, value in vars(mine).items()
        if str(getattr(theirs, name)) != str(value) or getattr(theirs, name) != getattr(read, name)
    ]
    st.dataframe(rows, hide_index=True, alt="The record as it stands now beside what you entered")
    st.button("Edit the record as it stands now", key="edit_again", on_click=open_product, args=(read.id,))


def _on_record(product: Product | ProductDetails) -> dict[str, str]:
    """The audit report's filter for a product; the URL carries what its choice shows."""
    return {"product": catalogue.choice(product.sku, product.name)}


def _fields(product: Product | None, *, disabled: bool = False) -> dict[str, str]:
    def line(label: str, name: str, value: object, **options: object) -> str:
        typed = st.text_input(
            label, "" if value is None else str(value), key=_key(name, product), disabled=disabled, **options
        )
        return typed or ""

    left, right = st.columns(2)
    with left:
        sku = line("SKU", "sku", product and product.sku, max_chars=60)
        category = line("Category", "category", product and product.category)
        price = line("Price", "price", product and product.unit_price, placeholder="899.00")
        reorder = line("Reorder level", "reorder", product.reorder_level if product else 0)
    with right:
        name = line("Name", "name", product and product.name)
        hsn = line("HSN code", "hsn", product and product.hsn_code, placeholder="6204")
        gst = line("GST rate %", "gst", product and product.gst_rate, placeholder="5")
        typed_sizes = line(
            "Sizes, in order", "sizes", ", ".join(product.sizes) if product else ", ".join(sizes.PRESETS["XS to XXL"])
        )
    description = line("Description", "description", product and product.description)
    return {
        "sku": sku,
        "name": name,
        "category": category,
        "price": price,
        "reorder": reorder,
        "hsn": hsn,
        "gst": gst,
        "sizes": typed_sizes,
        "description": description,
    }


def _key(name: str, product: Product | None) -> str:
    # A field that outlived the version it was filled from would carry the old figures, and what was typed
    # over them, past the check for a stale edit.
    return f"edit_{name}_{product.id}_{product.version}" if product else f"new_{name}"


def _details(fields: dict[str, str]) -> ProductDetails:
    reorder = _number("Reorder level", fields["reorder"]) or Decimal(0)
    if reorder != reorder.to_integral_value():
        raise Refused("The reorder level is a whole number. Nothing was saved.", rule="fractional_quantity")
    return ProductDetails(
        sku=fields["sku"].strip(),
        name=fields["name"].strip(),
        sizes=tuple(sizes.parse(fields["sizes"])),
        description=fields["description"],
        category=fields["category"],
        unit_price=_number("Price", fields["price"]),
        hsn_code=fields["hsn"] or None,
        gst_rate=_number("GST rate", fields["gst"]),
        reorder_level=int(reorder),
    )


def _number(label: str, typed: str) -> Decimal | None:
    digits = typed.strip().replace(",", "")
    if not digits:
        return None
    try:
        number = Decimal(digits)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Refused(f"{label}: “{typed}” is not a number. Nothing was saved.", rule="not_a_number")
    return number
