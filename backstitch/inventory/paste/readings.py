"""Reads columns as a whole where a cell alone does not say enough: the order of dates, and GST rates.

03/04/2026 is 3 April or March 4; the other dates of its column say which, or a person does. 0.05 is 5 % or a slip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from backstitch.files.sheets import Place, Sheet, cell_name
from backstitch.inventory import values
from backstitch.inventory.paste.columns import Problem, date_order, sheet_problem
from backstitch.inventory.paste.layout import Layout
from backstitch.inventory.values import CellError, DateOrder

CHOSEN, SAID = "as chosen", "as its heading says"
RATES_BELOW_ONE = {Decimal("0.1"), Decimal("0.25")}  # exports by merchants, rough stones


@dataclass(frozen=True)
class DateReading:
    """How the dates of a sheet are read. `ambiguous` is how many could be read the other way.

    `sentences` say the way in words, with an example of the column. With `asks` a person can choose the order.
    """

    order: DateOrder = DateOrder.DAY_FIRST
    ambiguous: int = 0
    asks: bool = False
    sentences: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Numeric:
    """A date of three numbers, whose order decides what it is."""

    place: Place
    text: str
    first: int
    second: int

    @property
    def only(self) -> DateOrder | None:
        """The only order in which it can be a date; None if it can be one in both."""
        if self.first > 12:
            return DateOrder.DAY_FIRST
        return DateOrder.MONTH_FIRST if self.second > 12 else None


def read_dates(
    sheet: Sheet, layout: Layout, *, chosen: DateOrder | None = None, remembered: DateOrder | None = None
) -> DateReading:
    """The reading of the column of dates: its own evidence decides, then its heading, what is remembered, day first.

    An order that a person has `chosen` for this sheet comes before all. A heading that says another order than the
    dates can have is a problem.
    """
    index = layout.fields.get("date")
    if index is None:
        return DateReading()
    heading = layout.headings[index]
    cells = list(_filled_cells(layout, index))
    texts = [(place, text) for place, text in cells if place not in sheet.dates]
    real = [sheet.dates[place] for place, _ in cells if place in sheet.dates]
    numeric = [_Numeric(place, text, *found[:2]) for place, text in texts if (found := values.day_numbers(text))]
    evidence = {one.only for one in numeric} - {None}
    said = date_order(heading)
    certain = next(iter(evidence)) if len(evidence) == 1 else None
    order = chosen or certain or said or remembered or DateOrder.DAY_FIRST
    both = [one for one in numeric if one.only is None and one.first != one.second]
    problems = [*_contradictions(numeric, heading), *_serials_among_dates(texts, real, heading)]
    swapped = _swapped_by_a_spreadsheet(sheet, cells, numeric, heading)
    against = _against_the_heading(numeric, said, heading) if certain else []
    if chosen is None:
        problems += [*swapped, *against]
    decided = chosen is not None or bool(evidence) or said is not None
    sentences = [
        _order_sentence(numeric, both, order, heading, _reason(chosen, said, remembered)),
        _serial_sentence(texts, heading),
        _short_year_sentence(texts, both, order, heading),
    ]
    asks = bool(both) or bool(swapped) or bool(against) or (chosen is not None and bool(numeric))
    return DateReading(order, len(both) if not decided else 0, asks, tuple(filter(None, sentences)), tuple(problems))


def _filled_cells(layout: Layout, index: int) -> Iterator[tuple[Place, str]]:
    for line in layout.lines:
        if index < len(line.cells) and not values.is_blank(line.cells[index]):
            yield (line.number, index), line.cells[index]


def _contradictions(numeric: Sequence[_Numeric], heading: str) -> list[Problem]:
    day_first = next((one for one in numeric if one.only is DateOrder.DAY_FIRST and one.second <= 12), None)
    month_first = next((one for one in numeric if one.only is DateOrder.MONTH_FIRST), None)
    if day_first is None or month_first is None:
        return []
    sentence = (
        f"{_cell(day_first)} has the day first, and {_cell(month_first)} the month. A column is read one way: correct "
        "one of the two, and look at the other dates too."
    )
    return [sheet_problem(heading, sentence)]


def _cell(one: _Numeric) -> str:
    return f"{cell_name(one.place)} ({values.quote(one.text)})"


def _serials_among_dates(texts: Sequence[tuple[Place, str]], real: Sequence[date], heading: str) -> list[Problem]:
    serials = [(place, text) for place, text in texts if values.is_serial(text)]
    if not serials or (len(serials) == len(texts) and not real):
        return []
    place, text = serials[0]
    sentence = (
        f"{cell_name(place)} is the number {values.quote(text)} in a column of dates. Format the whole column as dates "
        "in the spreadsheet, then copy it again."
    )
    return [sheet_problem(heading, sentence)]


def _swapped_by_a_spreadsheet(
    sheet: Sheet, cells: Sequence[tuple[Place, str]], numeric: Sequence[_Numeric], heading: str
) -> list[Problem]:
    """A problem where a spreadsheet seems to have made dates of those texts that it could read in its own order.

    It leaves 14/03/2026 a text if it reads the month first, and has made 4 March of 03/04/2026 then.
    """
    real = [(place, sheet.dates[place]) for place, _ in cells if place in sheet.dates]
    seems = [(place, day) for place, day in real if day.day != day.month]
    if not seems or any(day.day > 12 for _, day in real) or not numeric or any(one.only is None for one in numeric):
        return []
    place, day = seems[0]
    sentence = (
        f"{cell_name(place)} is a date of the spreadsheet ({day.day} {day:%B %Y}), but {_cell(numeric[0])} is text "
        "that it could not read as a date. It may have read the others with day and month swapped. Correct them, or "
        "choose the order of the texts below if the dates are right."
    )
    return [sheet_problem(heading, sentence)]


def _against_the_heading(numeric: Sequence[_Numeric], said: DateOrder | None, heading: str) -> list[Problem]:
    other = next((one for one in numeric if said is not None and one.only not in {None, said}), None)
    if other is None:
        return []
    sentence = (
        f"The heading says {said}, but {_cell(other)} can only be {other.only}. Correct one of the two, or choose the "
        "order of the dates below."
    )
    return [sheet_problem(heading, sentence)]


def _reason(chosen: DateOrder | None, said: DateOrder | None, remembered: DateOrder | None) -> str:
    if chosen is not None:
        return CHOSEN
    return SAID if said is not None else "as last time" if remembered is not None else ""


def _order_sentence(
    numeric: Sequence[_Numeric],
    both: Sequence[_Numeric],
    order: DateOrder,
    heading: str,
    reason: str,
) -> str:
    readable = [one for one in numeric if one.only in {None, order}]
    example = next(iter(both), None) or next(iter(readable), None)
    if example is None or (not both and order is DateOrder.DAY_FIRST):
        return ""
    read = _read(example.text, order)
    certain = next((one for one in numeric if one.only is order), None)
    sentence = f"{values.quote(example.text)} in column {heading} is read as {read}, {order}"
    if reason == CHOSEN:
        return f"{sentence}, {reason}."
    if certain is not None:
        return sentence + (f", as {_cell(certain)} can only be." if certain is not example else ".")
    if reason == SAID:
        return f"{sentence}, {reason}."
    others = "1 date" if len(both) == 1 else f"{len(both):,} dates"
    return f"{sentence}{reason and f', {reason}'}; {others} could be read the other way."


def _serial_sentence(texts: Sequence[tuple[Place, str]], heading: str) -> str:
    serial = next((text for _, text in texts if values.is_serial(text)), None)
    if serial is None:
        return ""
    read = _read(serial, DateOrder.DAY_FIRST)
    return f"{values.quote(serial)} in column {heading} is read as {read}: a spreadsheet counts days."


def _short_year_sentence(
    texts: Sequence[tuple[Place, str]], both: Sequence[_Numeric], order: DateOrder, heading: str
) -> str:
    short = next((text for _, text in texts if values.has_short_year(text)), None)
    if short is None or any(values.has_short_year(one.text) for one in both[:1]):
        return ""
    read = _read(short, order)
    return read and f"{values.quote(short)} in column {heading} is read as {read}: the year is of this century."


def _read(text: str, order: DateOrder) -> str:
    try:
        found = values.read_day(text, order=order)
    except CellError:
        return ""
    return f"{found.day} {found:%B %Y}"


def rate_problems(layout: Layout) -> list[Problem]:
    """GST rates below 1 without a per cent sign: the 0.05 of a cell formatted as a percentage is 5 %, not 0.05 %."""
    index = layout.fields.get("gst_rate")
    if index is None:
        return []
    return [
        Problem(place[0], layout.headings[index], values.quote(text), _fraction_sentence(place, text))
        for place, text in _filled_cells(layout, index)
        if _is_fraction(text)
    ]


def _is_fraction(text: str) -> bool:
    if "%" in text:
        return False
    try:
        rate = values.percentage(text, what="A GST rate")
    except CellError:
        return False
    return 0 < rate < 1 and rate not in RATES_BELOW_ONE


def _fraction_sentence(place: Place, text: str) -> str:
    meant = (values.percentage(text, what="A GST rate") * 100).normalize()
    return (
        f"{cell_name(place)} says {values.quote(values.normalise(text))}, and there is no GST rate of so little. "
        f"Write {meant:f} if {meant:f} % is meant."
    )
