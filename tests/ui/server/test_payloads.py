"""200 payloads typed into the text fields of forms: no traceback, nothing rendered, nothing lost. SAFETY row 27.

The long run, every field of every page and 10,000 inputs, is bench/campaigns/fuzz.py.
"""

import random
import re

from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from bench.campaigns import payloads
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, unescaped
from ui.products import forms as product_forms
from ui.shared import formats

MARKDOWN = ("markdown", "caption", "success", "error", "info", "warning", "title", "header", "subheader")
READ_BY_MARKDOWN = re.compile(r"[<*_\[`$#~]")


def assert_inert(tab: AppTest, typed: list[str]) -> None:
    """No exception, no error with an id, and no Markdown made of what was typed."""
    assert not tab.exception
    for kind in MARKDOWN:
        for element in getattr(tab, kind):
            body = str(element.value)
            assert "Something went wrong" not in body
            read = re.sub(r"\\.", "", body)  # without what is escaped
            for text in typed:
                assert not READ_BY_MARKDOWN.search(text) or text.strip() not in read, body


def test_escaped_payloads_contain_no_markdown() -> None:
    for text in payloads.fixed():
        assert unescaped(formats.plain(text)) == text


def test_every_payload_is_kept_as_it_was_typed_or_refused_with_a_sentence(open_page: Open, shop: Shop) -> None:
    texts = payloads.fixed()
    assert len(set(texts)) == 200
    random.Random(1).shuffle(texts)
    tab = open_page("products", Role.MANAGER)
    kept = refused = number = 0
    while texts:
        tab.session_state[product_forms.DIALOG.key] = "new"
        run(tab)
        fields = {
            field.key: field for field in [*tab.text_input, *tab.text_area] if (field.key or "").startswith("new_")
        }
        number += 1
        typed = dict.fromkeys(fields, "") | {"new_sku": f"P{number}"}
        # Fields for numbers and lists refuse nearly all payloads, so every other round fills in names alone.
        for key in fields:
            if texts and key != "new_sku" and (number % 2 or key in {"new_name", "new_description", "new_category"}):
                typed[key] = texts.pop()
        for key, text in typed.items():
            fields[key].set_value(text)
        click(tab, "new_save")
        assert_inert(tab, list(typed.values()))
        row = shop.run("select name, description, category from inventory.products where sku = %s", f"P{number}")
        if row:
            kept += 1
            # Spaces and line breaks around a text are not part of it.
            assert [part.strip() for part in row[0]] == [
                typed[f"new_{name}"].strip() for name in ("name", "description", "category")
            ]
        else:
            refused += 1
            assert len(tab.error) == 1
    assert kept > 10 and refused > 10


def test_a_payload_for_a_name_or_a_password_does_not_sign_in_and_is_not_rendered(signed_out: AppTest) -> None:
    tab = run(signed_out)
    for text in random.Random(2).sample(payloads.fixed(), 12):
        tab.text_input[0].set_value(text)
        tab.text_input[1].set_value(text)
        tab.button[0].click()
        run(tab)
        assert_inert(tab, [text])
        assert [field.label for field in tab.text_input] == ["Email", "Password"]
