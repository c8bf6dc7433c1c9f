"""Financial years, April to March, by name: 2026-27."""

from datetime import date

APRIL = 4


def financial_year(day: date) -> str:
    """The financial year of a day: 2027-03-31 -> `2026-27`. The database uses the same names."""
    began = day.year if day.month >= APRIL else day.year - 1
    return f"{began}-{(began + 1) % 100:02}"


def first_day(year: str) -> date:
    """The first day of a financial year: `2026-27` -> 2026-04-01."""
    return date(int(year[:4]), APRIL, 1)
