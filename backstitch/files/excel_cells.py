"""What an Excel cell can hold."""

LONGEST_CELL = 32_767  # UTF-16 code units
CUT = " … (cut: too long for a cell)"
# A text in these is written by xlsxwriter as the markup of rich text, unescaped.
RICH_TEXT = ("<r>", "</r>")


def fitting(text: str) -> str:
    """`text` as a cell can hold it; what is cut says so."""
    if len(text) > LONGEST_CELL // 2:
        units = text.encode("utf-16-le")
        if len(units) > LONGEST_CELL * 2:
            text = units[: (LONGEST_CELL - len(CUT)) * 2].decode("utf-16-le", "ignore") + CUT
    if text.startswith(RICH_TEXT[0]) and text.endswith(RICH_TEXT[1]):
        text += " "
    return text
