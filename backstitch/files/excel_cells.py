"""Limits of an Excel cell."""

LONGEST_CELL = 32_767  # UTF-16 code units
CUT = " … (cut: too long for a cell)"
# xlsxwriter writes a text that starts and ends with these as rich-text markup, unescaped.
RICH_TEXT = ("<r>", "</r>")


def fit_cell(text: str) -> str:
    """The text cut to what a cell can hold, with a note where it was cut."""
    if len(text) > LONGEST_CELL // 2:
        units = text.encode("utf-16-le")
        if len(units) > LONGEST_CELL * 2:
            text = units[: (LONGEST_CELL - len(CUT)) * 2].decode("utf-16-le", "ignore") + CUT
    if text.startswith(RICH_TEXT[0]) and text.endswith(RICH_TEXT[1]):
        text += " "
    return text
