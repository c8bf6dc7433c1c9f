"""Fills every text field of every form with hostile text: no traceback, nothing rendered as markup, nothing lost.

    python -m bench.campaigns.fuzz --inputs 10000 --seed 20261123

Clients of the real app's WebSocket, one per role and one signed out, open every page, fill its text fields with
payloads and press its buttons. After every run the screen must have no exception, no error with an id and no Markdown
or HTML made of the text; and either a sentence refuses the text, or the database has it unchanged. Prints figures as
JSON; the exit code is 1 on any finding.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from backstitch.accounts.permissions import Role
from bench.campaigns import payloads
from bench.campaigns.installations import PASSWORD, Installation, running
from bench.campaigns.tab import Tab, browser_cookies, sign_in

PEOPLE = [(f"{role.value}@fuzz.example", role) for role in Role]
# Buttons that end the session, or delete what other runs need.
NOT_PRESSED = re.compile(r"Sign out|Clear all")
UNEXPECTED = "Something went wrong"
# Markup of the cookie component, in which a payload "<" would be found.
STYLE = '<style>\n    .element-container:has(iframe[height="0"]) { display: none; }\n</style>'
NAMED = "select sku, name, description from inventory.products order by id desc limit 1"
SPECIAL = re.compile(r"[<*_\[`$#~]")


@dataclass
class Tally:
    """Counts of what happened, and findings."""

    inputs: int = 0
    runs: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def find(self, what: str, page: str, typed: str) -> None:
        """Adds a finding."""
        self.findings.append(f"{what} on {page}: {typed[:200]!r}")


def look(tab: Tab, page: str, typed: list[str], tally: Tally) -> None:
    """Checks the screen after a run."""
    tally.runs += 1
    refused = False
    for element in tab.elements.values():
        kind = element.WhichOneof("type")
        if kind == "exception":
            tally.find(f"an exception, {element.exception.type}", page, " | ".join(typed))
        elif kind in {"markdown", "alert", "heading", "html"}:
            body = str(element.html.body if kind == "html" else getattr(element, kind).body)
            refused = refused or kind == "alert"
            if UNEXPECTED in body:
                tally.find(body, page, " | ".join(typed))
            # The text may be shown if every special character of Markdown or HTML in it is escaped.
            unescaped = re.sub(r"\\.", "", body.replace(STYLE, ""))
            for text in typed:
                if SPECIAL.search(text) and text.strip() in unescaped:
                    tally.find(f"rendered in {kind}", page, text)
    tally.ends["refused or told" if refused else "nothing said"] += 1


def fuzz_page(tab: Tab, page: str, texts: "list[str]", chance: random.Random, tally: Tally) -> None:
    """Fills the text fields that the page shows, and presses one of its buttons."""
    fields = [w for w in tab.widgets() if type(w).__name__ in {"TextInput", "TextArea"} and not w.disabled]
    typed = []
    for widget in fields:
        text = texts.pop() if texts else payloads.random_text(chance)
        typed.append(text)
        tab.type_in(widget.id, text)
    buttons = [w for w in tab.widgets() if type(w).__name__ == "Button" and not NOT_PRESSED.search(w.label)]
    if buttons:
        tab.press(chance.choice(buttons).id)
    else:
        tab.run()
    tally.inputs += len(typed)
    look(tab, page, typed, tally)
    tab.values.clear()


def product_kept(tab: Tab, installation: Installation, chance: random.Random, tally: Tally) -> None:
    """Adds a product with a hostile name, which must be stored unchanged or refused with a sentence."""
    name, sku = payloads.random_text(chance)[:200], f"F{tally.runs}"
    tab.fill("Search", "")  # a search text from before can be refused, and then there is no list
    tab.click("Add product").until(lambda: tab.has("SKU"))
    tab.fill("SKU", sku)
    tab.fill("Name", name)
    tab.fill("Description", name)
    tab.click("Add product", submits=True)
    look(tab, "products", [name], tally)
    tally.inputs += 3
    row = installation.psql.execute(NAMED).fetchone()
    if row is not None and row[0] == sku:
        tally.ends["kept"] += 1
        if (row[1].strip(), row[2].strip()) != (name.strip(), name.strip()):
            tally.find("not kept as it was typed", "products", name)
    elif not any(e.WhichOneof("type") == "alert" for e in tab.elements.values()):
        tally.find("neither kept nor refused", "products", name)
    tab.values.clear()


def campaign(inputs: int, seed: int) -> dict[str, Any]:
    """Runs the campaign. Returns figures and findings."""
    chance, tally = random.Random(seed), Tally()
    texts = payloads.fixed()
    chance.shuffle(texts)
    with running(PEOPLE) as installation:
        addresses = (f"{installation.url}/_stcore/health", installation.url)
        out = Tab(installation.url, browser_cookies(*addresses)).run()
        while tally.inputs < inputs:
            for email, role in PEOPLE:
                tab = sign_in(Tab(installation.url, browser_cookies(*addresses)), email, PASSWORD)
                for page in sorted(tab.pages):
                    if tally.inputs >= inputs:
                        break
                    tab.open(page)
                    for _ in range(6):
                        if not tab.has("Sign out"):  # a button signed it out or changed its password
                            break
                        fuzz_page(tab, page, texts, chance, tally)
                        fuzz_page(out, "sign-in", texts, chance, tally)
                if role is Role.MANAGER and tab.has("Sign out"):
                    tab.open("products")
                    for _ in range(5):
                        product_kept(tab, installation, chance, tally)
                tab.close()
            installation.psql.execute("truncate runtime.sign_in_attempts")
            print(json.dumps({"inputs": tally.inputs, "found": tally.findings}), flush=True)
        logged = installation.app.err
    tracebacks = logged.count("Traceback")
    return {
        "inputs": tally.inputs,
        "of these fixed payloads": len(payloads.fixed()) - len(texts),
        "runs": tally.runs,
        "ended": dict(tally.ends),
        "tracebacks in the log": tracebacks,
        "findings": [*dict.fromkeys(tally.findings)][:20] + (logged.splitlines()[-40:] if tracebacks else []),
    }


def main() -> int:
    """Runs the campaign; returns 1 on any finding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20261123)
    given = parser.parse_args()
    figures = campaign(given.inputs, given.seed)
    print(json.dumps(figures, indent=4, ensure_ascii=True))
    return 1 if figures["findings"] or figures["of these fixed payloads"] < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
