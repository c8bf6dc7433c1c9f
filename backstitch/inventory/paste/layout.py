"""Finds the layout of a sheet: the row of the header, the column of each field, and the rows of the table.

What is above the header and below the table is left out, and the layout says so; it is never taken for a row.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache

from backstitch.files.csv_in import heading_key
from backstitch.files.sheets import Line, Sheet
from backstitch.inventory import values
from backstitch.inventory.paste import columns
from backstitch.inventory.paste.columns import COLUMNS, Kind, Problem, sheet_problem
from backstitch.inventory.products import sizes as size_set
from backstitch.inventory.values import CellError

HEADER_WITHIN = 30  # rows in which the header is looked for
GROUP_HEADINGS = frozenset(map(heading_key, ("Size", "Sizes", "Size wise", "Size wise qty", "Quantity", "Qty", "Pcs")))
TOTALS = frozenset(map(heading_key, ("Total", "Totals", "Grand Total", "Sub Total", "Total Qty", "Total Pcs", "Sum")))
LONGEST_HEADING = 60  # characters
LONGEST_TOTAL = 20
SIZE = "size "  # a target of a column of a size: `size XL`


@dataclass(frozen=True)
class Matching:
    """The columns of a sheet as a person matched them.

    `header` is the number of the header's row, and `targets` has for each column the name of a field, SIZE and a
    size, or '' for a column that is left out.
    """

    header: int
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """The header of a sheet: the indexes of its first line and of the line after it, and the heading of each column."""

    index: int
    end: int
    cells: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The headings reduced to what tells them apart, up to the last: by these a matching is remembered."""
        keys = list(map(heading_key, self.cells))
        while keys and not keys[-1]:
            keys.pop()
        return tuple(keys)


@dataclass(frozen=True)
class Layout:
    """The layout of a sheet: index by field, index by size, the headings, and the rows of the table.

    Without a `header` the columns are those of the template. `unclear` are fields that several columns can be, and
    `remarks` sentences about what was left out.
    """

    kind: Kind
    fields: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    header: Header | None = None
    lines: tuple[Line, ...] = ()
    unclear: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()

    def heading(self, name: str) -> str:
        """The sheet's heading of a field; the template's heading where the sheet has no such column."""
        index = self.fields.get(name)
        return COLUMNS[self.kind][name].heading if index is None else self.headings[index]

    @property
    def targets(self) -> tuple[str, ...]:
        """The target of each column, as Matching has them."""
        found = {index: name for name, index in self.fields.items()}
        found |= {index: SIZE + size for size, index in self.sizes.items()}
        return tuple(found.get(index, "") for index in range(len(self.headings)))


def detect(
    sheet: Sheet,
    *,
    kind: Kind,
    sizes: Sequence[str],
    known_sizes: frozenset[str],
    matching: Matching | None = None,
) -> Layout:
    """The layout of a sheet. `sizes` are those of the product chosen on the page; `known_sizes` are all sizes in use.

    The header is the first row with two or more known headings, of the first HEADER_WITHIN; without one the columns
    are those of the template. A `matching` by hand comes before what the headings say.
    """
    known = known_sizes | set(sizes)
    header = _matched_header(sheet, kind, known, matching) or _find_header(sheet, kind, known)
    if header is None:
        layout = _layout_by_position(sheet, kind, sizes)
    elif matching is not None:
        layout = _layout_by_hand(sheet, kind, header, matching)
    else:
        layout = _layout_by_headings(sheet, kind, header, known)
    if header is not None:
        layout = _with_missing_columns(layout, product_chosen=bool(sizes))
    return _with_lines(layout, sheet)


def possible_headers(sheet: Sheet, *, kind: Kind, known_sizes: frozenset[str]) -> Iterator[Header]:
    """The headers that the first rows of a sheet can be: each row with two filled cells or more."""
    for index, line in enumerate(sheet.lines[:HEADER_WITHIN]):
        if sum(bool(cell.strip()) for cell in line.cells) > 1:
            yield _header_at(sheet, index, kind, known_sizes)


def _find_header(sheet: Sheet, kind: Kind, known: frozenset[str]) -> Header | None:
    for index, line in enumerate(sheet.lines[:HEADER_WITHIN]):
        if sum(columns.field_of(cell, kind) is not None for cell in line.cells if len(cell) <= LONGEST_HEADING) > 1:
            return _header_at(sheet, index, kind, known)
    return None


def _matched_header(sheet: Sheet, kind: Kind, known: frozenset[str], matching: Matching | None) -> Header | None:
    index = next((n for n, line in enumerate(sheet.lines) if matching and line.number == matching.header), None)
    return None if index is None else _header_at(sheet, index, kind, known)


def _header_at(sheet: Sheet, index: int, kind: Kind, known: frozenset[str]) -> Header:
    """The header whose first line is at an index, with the line below if that has the sizes of a merged heading."""
    above = sheet.lines[index].cells
    below = sheet.lines[index + 1].cells if index + 1 < len(sheet.lines) else ()
    filled = [n for n, cell in enumerate(below) if cell.strip()]
    under_group = kind is not Kind.PRODUCTS and all(
        n >= len(above) or not above[n].strip() or _is_group(above[n]) for n in filled
    )
    # A heading that stands over one column only is that of the column, and what is below it a value.
    groups = any(map(_is_group, above))
    sizes = [_size_of(below[n], known) for n in filled]
    if not under_group or not groups or len(filled) < 2 or not all(sizes) or len(set(sizes)) < len(sizes):
        return Header(index, index + 1, above + ("",) * (_width(sheet, index) - len(above)))
    width = _width(sheet, index)
    wide_above, wide_below = (tuple(row) + ("",) * (width - len(row)) for row in (above, below))
    return Header(index, index + 2, tuple(low or high for high, low in zip(wide_above, wide_below, strict=True)))


def _is_group(heading: str) -> bool:
    return not GROUP_HEADINGS.isdisjoint(columns.heading_keys(heading))


def _width(sheet: Sheet, index: int) -> int:
    """The number of columns from a line on."""
    return max(len(line.cells) for line in sheet.lines[index:])


def suggested_targets(header: Header, *, kind: Kind, known_sizes: frozenset[str]) -> tuple[str, ...]:
    """The target of each column as its heading alone suggests it; two columns can have the same."""
    sizes = [None if kind is Kind.PRODUCTS else _size_of(cell, known_sizes) for cell in header.cells]
    return tuple(
        columns.field_of(cell, kind) or (SIZE + size if size else "")
        for cell, size in zip(header.cells, sizes, strict=True)
    )


def has_header(sheet: Sheet, kind: Kind) -> bool:
    """Whether a header of the kind is recognised in the sheet."""
    return _find_header(sheet, kind, frozenset()) is not None


def _layout_by_headings(sheet: Sheet, kind: Kind, header: Header, known: frozenset[str]) -> Layout:
    by_field: dict[str, list[int]] = defaultdict(list)
    by_size: dict[str, list[int]] = defaultdict(list)
    problems: list[Problem] = []
    for index, heading in enumerate(header.cells):
        if name := columns.field_of(heading, kind):
            by_field[name].append(index)
        elif kind is not Kind.PRODUCTS and (size := _size_of(heading, known)):
            by_size[size].append(index)
        else:
            problems += _unknown_column_problems(sheet, kind, header, index)
    fields = {}
    for name, indexes in by_field.items():
        best = _best_columns(indexes, name, kind, header)
        if len(best) == 1:
            fields[name] = best[0]
            problems += [_left_out(header.cells[index]) for index in indexes if index != best[0]]
        else:
            problems.append(_two_columns_problem([header.cells[index] for index in best], name, kind))
    sizes = {size: indexes[0] for size, indexes in by_size.items()}
    problems += [
        _two_columns_problem([header.cells[index] for index in indexes], "", kind)
        for indexes in by_size.values()
        if len(indexes) > 1
    ]
    unclear = frozenset(by_field.keys() - fields.keys())
    headings = _headings(sheet, header.cells)
    return Layout(kind, fields, sizes, headings, header, unclear=unclear, problems=tuple(problems))


def _best_columns(indexes: Sequence[int], name: str, kind: Kind, header: Header) -> Sequence[int]:
    """Of the columns with headings of a field: the one with the template's heading, or those that name it outright."""
    exact = [index for index in indexes if columns.is_template_heading(header.cells[index], name, kind)]
    strong = [index for index in indexes if not columns.is_weaker(header.cells[index], name, kind)]
    return exact or strong or indexes


def _two_columns_problem(headings: Sequence[str], name: str, kind: Kind) -> Problem:
    if len(set(map(heading_key, headings))) == 1:
        return sheet_problem(headings[0], "The column stands in the header twice. Remove or rename one of them.")
    what = f"the column {COLUMNS[kind][name].heading}" if name else "the same size"
    quoted = " and ".join(f"“{values.quote(heading)}”" for heading in headings)
    return sheet_problem(headings[0], f"{quoted} can each be {what}. Match the columns by hand, or remove one of them.")


def _layout_by_hand(sheet: Sheet, kind: Kind, header: Header, matching: Matching) -> Layout:
    fields, sizes = {}, {}
    for index, target in enumerate(matching.targets):
        if target.startswith(SIZE):
            sizes[target.removeprefix(SIZE)] = index
        elif target in COLUMNS[kind]:
            fields[target] = index
    headings = _headings(sheet, header.cells)
    problems = [
        _left_out(headings[index])
        for index in range(len(header.cells))
        if not any(matching.targets[index : index + 1])
        and any(line.cells[index : index + 1] != ("",) for line in sheet.lines[header.end :] if index < len(line.cells))
    ]
    return Layout(kind, fields, sizes, headings, header, problems=tuple(problems))


def _size_of(heading: str, known: frozenset[str]) -> str | None:
    bare = columns.BRACKETS.sub(" ", heading)
    if heading_key(bare) not in columns.heading_keys(heading):
        return None
    typed = bare.strip().upper().removeprefix("SIZE ").strip()
    usual = (*size_set.LETTERS, size_set.FREE, *known)
    is_size = size_set.same(typed, usual) is not None or (typed.isdecimal() and len(typed) <= 3)
    return typed if typed and is_size else None


def _unknown_column_problems(sheet: Sheet, kind: Kind, header: Header, index: int) -> list[Problem]:
    """An error for an unknown column of numbers, which may be a size, or of an unknown unit; else a warning."""
    heading = header.cells[index]
    cells = [line.cells[index] for line in sheet.lines[header.end :] if index < len(line.cells)]
    cells = [cell for cell in cells if cell.strip()]
    if not cells:
        return []
    may_matter = not heading.strip() or columns.has_unknown_unit(heading, kind) or any(map(values.is_number, cells))
    if may_matter and not columns.is_ignored(heading, kind):
        called = f"“{values.quote(heading)}” is no column or size" if heading.strip() else "It has no heading"
        sentence = f"{called} that Backstitch knows. Match the columns by hand, or rename or remove the column."
        return [sheet_problem(heading, sentence)]
    return [_left_out(heading)]


def _left_out(heading: str) -> Problem:
    return sheet_problem(heading, "The column is not used, and is left out.", blocks=False)


def _headings(sheet: Sheet, first: Sequence[str]) -> tuple[str, ...]:
    """A distinct heading for each column of the widest row; the table on the page needs distinct ones."""
    widest = max(len(first), *(len(line.cells) for line in sheet.lines))
    headings: list[str] = []
    for index in range(widest):
        heading = values.quote(values.normalise(first[index])) if index < len(first) else ""
        heading = heading or f"Column {index + 1}"
        headings.append(heading if heading not in headings else f"{heading} ({index + 1})")
    return tuple(headings)


def _layout_by_position(sheet: Sheet, kind: Kind, sizes: Sequence[str]) -> Layout:
    """The layout of a sheet without a header: its columns are those of the template."""
    expected = columns.template(kind, sizes=sizes)
    widest = max(len(line.cells) for line in sheet.lines)
    if widest > len(expected) or widest < 3:
        sentence = (
            f"The first row is no header, and the rows have {widest} columns where the template has {len(expected)}: "
            f"{', '.join(expected)}. Copy the header too, or match the columns by hand."
        )
        return Layout(kind, headings=_headings(sheet, ()), problems=(sheet_problem("", sentence),))
    fields = {
        name: expected.index(column.heading)
        for name, column in COLUMNS[kind].items()
        if column.heading in expected and not (sizes and name in {"size", "quantity", "sku"})
    }
    headings_of_fields = {column.heading for column in COLUMNS[kind].values()}
    size_columns = {size: expected.index(size) for size in sizes if size not in {"", *headings_of_fields}}
    return Layout(kind, fields, size_columns, _headings(sheet, expected))


def _with_missing_columns(layout: Layout, *, product_chosen: bool) -> Layout:
    missing = [
        column.heading
        for name, column in COLUMNS[layout.kind].items()
        if column.required
        and name not in layout.fields.keys() | layout.unclear
        and not (name == "sku" and product_chosen)
    ]
    problems = [
        sheet_problem(heading, f"There is no column {heading}. Add it, match the columns by hand, or use the template.")
        for heading in missing
    ]
    if layout.kind is not Kind.PRODUCTS:
        problems += _quantity_column_problems(layout)
        if not (layout.fields.keys() | layout.unclear) & {"color", "colour_code"}:
            problems.append(sheet_problem("Colour", "There is no column Colour or Colour Code. Add one of them."))
    return replace(layout, problems=(*layout.problems, *problems))


def _quantity_column_problems(layout: Layout) -> list[Problem]:
    single = (layout.fields.keys() | layout.unclear) & {"size", "quantity"}
    if layout.sizes and single:
        return [
            sheet_problem("Size", "There are columns of sizes and a column Size or Quantity. Keep one or the other.")
        ]
    if not layout.sizes and len(single) < 2:
        return [
            sheet_problem(
                "Size", "There are no quantities: add a column for each size, or the columns Size and Quantity."
            )
        ]
    return []


def _with_lines(layout: Layout, sheet: Sheet) -> Layout:
    """The layout with the rows of the table; says which other rows of the sheet are left out, and why."""
    start = layout.header.end if layout.header else 0
    above = sheet.lines[: layout.header.index] if layout.header else ()
    lines, problems, remarks = list(sheet.lines[start:]), list(layout.problems), _above_remarks(above)
    if layout.header and (row := _first_row_of_a_table(above, layout)):
        problems.append(
            sheet_problem("", f"Row {row} looks like a row of a table, but stands above the header. Paste each table "
                          "by itself, with its header.")
        )  # fmt: skip
    second = next((n for n, line in enumerate(lines) if _is_another_header(line, layout)), None)
    if second is not None:
        problems.append(
            sheet_problem("", f"Row {lines[second].number} is the header of another table. Paste each table by itself.")
        )
        lines = lines[:second]
    notes = _notes_at_the_end(lines, layout)
    lines = lines[: len(lines) - len(notes)]
    repeated = [line for line in lines if layout.header and _repeats(line.cells, layout.header)]
    totals = [line for line in lines if _is_total(line)]
    remarks += [_rows_remark(repeated, "repeat the header", "repeats the header")]
    remarks += [_rows_remark(totals, "are totals", "is a total")]
    remarks += [_rows_remark(notes, "are notes below the table", "is a note below the table")]
    left_out = {line.number for line in (*repeated, *totals)}
    rows = tuple(line for line in lines if line.number not in left_out)
    if len(totals) == 1:
        problems += _wrong_sums(totals[0], rows, layout)
    return replace(layout, lines=rows, problems=tuple(problems), remarks=tuple(filter(None, remarks)))


def _above_remarks(above: Sequence[Line]) -> list[str]:
    if not above:
        return []
    first = next(cell for cell in above[0].cells if cell.strip())
    return [_rows_remark(above, "stand above the header", "stands above the header", example=first)]


def _rows_remark(lines: Sequence[Line], several: str, one: str, *, example: str = "") -> str:
    """A sentence that says which rows are left out, and why; '' for no rows."""
    if not lines:
        return ""
    shown = f" (“{values.quote(values.normalise(example))}”)" if example else ""
    if len(lines) == 1:
        return f"Row {lines[0].number}{shown} {one}, and is left out."
    numbers = [line.number for line in lines]
    if numbers[-1] - numbers[0] == len(numbers) - 1 or example:
        return f"Rows {numbers[0]} to {numbers[-1]}{shown} {several}, and are left out."
    listed = ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")
    return f"Rows {listed} {several}, and are left out."


def _first_row_of_a_table(above: Sequence[Line], layout: Layout) -> int | None:
    """The first row above the header that is filled as one of the table is: it would be left out without being read."""
    dates_or_numbers = [line for line in above if sum(map(_is_value, line.cells)) > 1]
    columns_needed = max(4, len(layout.fields) - 1)
    found = (line for line in dates_or_numbers if sum(bool(cell.strip()) for cell in line.cells) >= columns_needed)
    return next((line.number for line in found), None)


def _is_value(cell: str) -> bool:
    return values.is_number(cell) or values.day_numbers(cell) is not None


def _is_another_header(line: Line, layout: Layout) -> bool:
    filled = [cell for cell in line.cells if cell.strip()]
    if layout.header is None or len(filled) < 3 or any(len(cell) > LONGEST_HEADING for cell in filled):
        return False
    known = sum(not cell[0].isdigit() and columns.field_of(cell, layout.kind) is not None for cell in filled)
    return known > 1 and 2 * known >= len(filled) and not _repeats(line.cells, layout.header)


def _repeats(cells: Sequence[str], header: Header) -> bool:
    """Whether a row is the header once more."""
    first = next((cell for cell in cells if cell.strip()), "")
    # Most rows differ in their first cell.
    if not any(heading.strip().casefold() == first.strip().casefold() for heading in header.cells):
        return False
    return Header(0, 0, tuple(cells)).keys == header.keys


def _notes_at_the_end(lines: Sequence[Line], layout: Layout) -> list[Line]:
    """The last rows that are a text in a single cell: who made the sheet, or when."""
    count = 0
    for line in reversed(lines):
        filled = [cell for cell in line.cells if cell.strip()]
        if len(filled) != 1 or _is_value(filled[0]) or _is_total(line) or len(layout.headings) < 3:
            break
        count += 1
    return list(lines[len(lines) - count :])


def _is_total(line: Line) -> bool:
    """Whether a row is one of totals: a word for a total, and beside it only numbers."""
    filled = [cell for cell in line.cells if cell.strip()]
    words = [cell for cell in filled if len(cell) <= LONGEST_TOTAL and _is_total_word(cell)]
    return bool(words) and all(cell in words or _number(cell) is not None for cell in filled)


@lru_cache(maxsize=4096)
def _is_total_word(cell: str) -> bool:
    return heading_key(cell) in TOTALS


def _number(cell: str) -> Decimal | None:
    try:
        return values.amount(cell, largest=Decimal(10) ** 15, what="It")
    except CellError:
        return None


def _wrong_sums(total: Line, rows: Sequence[Line], layout: Layout) -> list[Problem]:
    """A warning for each column of quantities whose total is not the sum of its rows."""
    quantities = {*layout.sizes.values(), *([layout.fields["quantity"]] if "quantity" in layout.fields else [])}
    problems = []
    for index in sorted(quantities):
        said = _number(total.cells[index]) if index < len(total.cells) and total.cells[index].strip() else None
        found = [_number(row.cells[index]) for row in rows if index < len(row.cells) and row.cells[index].strip()]
        numbers = [number for number in found if number is not None]
        if said is not None and len(numbers) == len(found) and sum(numbers) != said:
            sentence = f"The total on row {total.number} is {said:,.0f}, but the rows add up to {sum(numbers):,.0f}."
            problems.append(sheet_problem(layout.headings[index], sentence, blocks=False))
    return problems
