"""Paste from Excel: checks rows copied from a spreadsheet, or a file, shows a preview, and writes them in one go."""

import streamlit as st

from backstitch.accounts.permissions import Permission
from backstitch.inventory.paste import columns as paste_columns
from backstitch.inventory.paste import template as paste_template
from backstitch.inventory.paste import write as paste_write
from backstitch.inventory.paste.columns import Kind
from backstitch.inventory.products import queries as product_queries
from backstitch.request import Source
from ui import feedback
from ui.paste import forms as paste_forms
from ui.paste import matching as paste_matching
from ui.paste import preview as paste_preview
from ui.shared import formats, session

session.require(Permission.EDIT_INVENTORY)

st.title("Paste from Excel")

with session.read() as connection:
    choices = product_queries.product_choices(connection)

kind = Kind(
    st.segmented_control(
        "What do you paste?",
        list(Kind),
        default=Kind.INWARD,
        required=True,
        format_func=lambda kind: kind.capitalize(),
        key="paste_kind",
    )
)
product_id = None
with st.container(horizontal=True, vertical_alignment="bottom"):
    if kind is not Kind.PRODUCTS:
        product_id = st.selectbox(
            "Product",
            [None, *choices],
            format_func=lambda choice: "Named in the rows (column SKU)" if choice is None else choices[choice],
            key="paste_product",
            filter_mode="contains",
            help="Choose one when all rows are of one product: its sizes are then columns, and no SKU is needed.",
        )
    with session.read() as connection:
        product = None if product_id is None else product_queries.product(connection, product_id=product_id)
    sizes = product.sizes if product else ()
    st.download_button(
        "Template",
        lambda: paste_template.workbook(kind, today=formats.today(), sizes=sizes),
        file_name=paste_template.name(kind, product.sku if product else ""),
        mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        icon=":material/download:",
        key="paste_template",
        on_click="ignore",
    )

paste_forms.entry(paste_columns.template(kind, sizes=sizes))
with feedback.refusals():
    checked = paste_forms.checked(kind, product_id)
    if checked is None:
        st.stop()

    st.subheader("Preview")
    paste_forms.ask_about_repeated(checked)
    paste_forms.ask_about_names(checked)
    paste_preview.remarks(checked)
    if paste_forms.date_switch(checked):
        paste_matching.remember_order(checked)
    paste_matching.columns(checked, sizes)
    paste_preview.problems(checked)
    paste_preview.rows(checked)
    if checked.blocked:
        st.stop()
    paste_preview.summary(checked)
    if checked.is_empty:
        st.info("There is nothing to write: the rows have no quantity, or say what is stored already.")
        st.stop()
    agreed = paste_forms.ask_to_replace(checked)
    reason = paste_forms.price_reason(checked)
    if st.button(
        paste_forms.button_label(checked),
        type="primary",
        icon=":material/save:",
        key="paste_write",
        disabled=not agreed,
    ):
        paste_forms.check_again()
        bar = st.progress(0.0, "Writing …")
        with session.write(f"paste {kind} from Excel", reason=reason, source=Source.PASTE) as connection:
            written = paste_write.write(
                connection,
                checked=checked,
                today=formats.today(),
                progress=lambda done, total: bar.progress(done / total, f"{done:,} of {total:,} written"),
            )
        paste_forms.clear()
        feedback.done(
            paste_forms.result_sentence(checked, written),
            on_record={"product": choices[product_id]} if product_id is not None else {"period": "Today"},
        )
