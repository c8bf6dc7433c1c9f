"""Writes the vectors of docs/proof.md, and docs/records.md: `python -m tests.db.audit.proof_pages`.

The text of docs/proof.md is written by hand; what stands between `<!-- vector: NAME -->` and `<!-- end -->` is made
here. tests/unit/audit/test_proof_vectors.py compares both pages with what this module makes.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from textwrap import fill
from typing import Any

from tests.db.audit import independent
from tests.db.audit.specimens import BLOCKS, RECORDS, SALTS, leaf_data

DOCS = Path(__file__).resolve().parents[3] / "docs"
VECTOR = re.compile(r"(<!-- vector: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Actions of the domain audit.action that no code writes yet.
NOT_WRITTEN = (
    "APPROVE",
    "REFUSE",
    "WITNESS",
    "ALERT_ACKNOWLEDGE",
    "TOKEN_CREATE",
    "TOKEN_REVOKE",
    "AUDIT_ARCHIVE",
    "KEY_ROTATE",
)

RECORDS_PAGE = """\
# Records, byte by byte

A record of each action, with every source among them: its values, the bytes that its digest covers, and its leaf. So a
leaf can be computed from this page alone, [by hand](proof.md#by-hand). [proof.md](proof.md) explains the form, and has
the blocks in which these records stand.

{made_up}

Times are UTC, hashes hexadecimal. The leaves have one salt, that of block 1 of [proof.md](proof.md#a-block):

```
{salt}
```

`tests/db/audit/proof_pages.py` makes this page; `tests/db/audit/test_proof.py` inserts these records into a database
and compares the digests and the leaves.

| source | records |
| --- | --- |
{index}

{records}"""

MADE_UP = (
    "The values are made up, in the shape in which Backstitch writes them. Nothing writes these actions yet, and their "
    "details are invented: {}."
)

RECORD = """\
## {id}. {action}, {source}

{table}

```
digest    {digest}
blinding  {blinding}
leaf      {leaf}
```
"""


def records_page() -> str:
    """The text of docs/records.md."""
    sources: dict[str, list[str]] = {}
    for record in RECORDS:
        anchor = f"{record['id']}-{record['action']}-{record['source']}".lower()
        sources.setdefault(record["source"], []).append(f"[{record['action']}](#{anchor})")
    return RECORDS_PAGE.format(
        made_up=fill(MADE_UP.format(", ".join(NOT_WRITTEN)), 120, break_on_hyphens=False),
        salt=SALTS[0].hex(),
        index="\n".join(f"| {source} | {', '.join(links)} |" for source, links in sources.items()),
        records="\n".join(_record(record) for record in RECORDS),
    )


def proof_page(text: str) -> str:
    """The text of docs/proof.md, with its vectors made anew."""
    return VECTOR.sub(lambda found: f"{found[1]}{VECTORS[found[2]]()}\n{found[3]}", text)


def _record(record: Mapping[str, Any]) -> str:
    [data] = leaf_data((record,), SALTS[0])
    return RECORD.format(
        id=record["id"],
        action=record["action"],
        source=record["source"],
        table=_record_table(record),
        blinding=data[:32].hex(),
        digest=data[32:].hex(),
        leaf=independent.leaf_hash(data).hex(),
    )


def _record_table(record: Mapping[str, Any]) -> str:
    items = zip(independent.COLUMNS, independent.elements(record), strict=True)
    return _table(
        "column",
        ((name, record[name], "null" if item is None else item.hex()) for name, item in items),
    )


def _table(first: str, rows: Iterable[tuple[str, Any, str]]) -> str:
    lines = [f"| {name} | {_in_words(value)} | `{data}` |" for name, value, data in rows]
    return "\n".join((f"| {first} | value | bytes |", "| --- | --- | --- |", *lines))


def _in_words(value: Any) -> str:
    match value:
        case None:
            return "null"
        case datetime():
            return f"`{value:%Y-%m-%d %H:%M:%S.%f}`"
        case date():
            return f"`{value}`"
        case list():
            return f"`{', '.join(map(str, value))}`"
        case _:
            return f"`{value}`"


def _code(*lines: str) -> str:
    return "\n".join(("```", *lines, "```"))


def _array() -> str:
    """Vector: the array of the record, in hex, an element a line."""
    items = independent.elements(RECORDS[1])
    return _code(
        independent.array_header(items).hex(),
        *("ffffffff" if item is None else f"{len(item):08x} {item.hex()}" for item in items),
    )


def _leaf() -> str:
    [data] = leaf_data((RECORDS[1],), SALTS[0])
    return _code(
        f"digest    {data[32:].hex()}",
        f"salt      {SALTS[0].hex()}",
        f"blinding  {data[:32].hex()}",
        f"leaf      {independent.leaf_hash(data).hex()}",
    )


def _leaves() -> str:
    block = BLOCKS[0]
    data = leaf_data(block.records, SALTS[0])
    first, second, third = map(independent.leaf_hash, data)
    return _code(
        f"leaf of record 1  {first.hex()}",
        f"leaf of record 2  {second.hex()}",
        f"leaf of record 3  {third.hex()}",
        f"node over 1, 2    {independent.node_hash(first, second).hex()}",
        f"root              {block.seal['root'].hex()}",
    )


def _header() -> str:
    block = BLOCKS[0]
    values = {
        **block.era,
        **block.seal,
        "label": "Backstitch block 1, line feed",
        "origin": f"{len(block.era['origin'])} bytes: {block.era['origin']}",
        "SHA-256 of the ids": "1, 2, 3",
        "root": "see above",
        "SHA-256 of the salt": "see above",
        "previous": "none",
    }
    fields = independent.header_fields(block.seal, block.era)
    table = _table("field", ((name, values[name], data.hex()) for name, data in fields.items()))
    return f"{table}\n\n{_code(f'hash  {independent.leaf_hash(block.headers[0]).hex()}')}"


def _headers() -> str:
    lines = []
    for number, header in enumerate(BLOCKS[-1].headers, start=1):
        lines += [f"header {number}  {header.hex()}", f"hash {number}    {independent.leaf_hash(header).hex()}"]
    return _code(*lines)


def _nodes() -> str:
    headers = BLOCKS[-1].headers
    lines = [
        f"block {block}, node over {block - (2 << level) + 1} to {block}  {node.hex()}"
        for block in range(1, len(headers) + 1)
        for level, node in enumerate(independent.completed_nodes(headers, block))
    ]
    return _code(*lines)


def _roots() -> str:
    grown = independent.tree(BLOCKS[-1].headers)
    return _code(*(f"root of {size}  {grown.get_root(size).hex()}" for size in range(1, len(BLOCKS) + 1)))


def _checkpoint() -> str:
    return _code(BLOCKS[-1].checkpoint.rstrip("\n"))


def _inclusion() -> str:
    block, headers = BLOCKS[0], BLOCKS[-1].headers
    leaves = leaf_data(block.records, SALTS[0])
    of_record = independent.audit_path(independent.tree(leaves), 1, len(leaves))
    of_block = independent.audit_path(independent.tree(headers), 0, len(headers))
    return _code(
        f"blinding          {leaves[1][:32].hex()}",
        "record            2 of 3 in its block",
        *(f"path to the root  {node.hex()}" for node in of_record),
        f"header            {headers[0].hex()}",
        "block             1 of 5",
        *(f"path to the root  {node.hex()}" for node in of_block),
    )


def _consistency() -> str:
    return _code(*(node.hex() for node in independent.consistency_path(BLOCKS[-1].headers, 3)))


VECTORS = {
    "record": lambda: _record_table(RECORDS[1]),
    "array": _array,
    "leaf": _leaf,
    "leaves": _leaves,
    "header": _header,
    "headers": _headers,
    "nodes": _nodes,
    "roots": _roots,
    "checkpoint": _checkpoint,
    "inclusion": _inclusion,
    "consistency": _consistency,
}


def main() -> None:
    """Writes both pages."""
    proof = DOCS / "proof.md"
    proof.write_text(proof_page(proof.read_text(encoding="utf-8")), encoding="utf-8")
    (DOCS / "records.md").write_text(records_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
