"""Names that may be meant: they are asked about, and never taken for the same."""

import pytest

from backstitch.inventory.names import near, near_sku, tidy

PARTIES = ("Arvind Mills", "Bandra", "Asha Stores, Jayanagar", "R K Traders", "Vardhman", "M/s Gupta & Sons")
SKUS = ("KT-104", "KT-140", "00042", "QO-10", "A.B.7")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Arvind", ["Arvind Mills"]),
        ("arvind mills pvt ltd", ["Arvind Mills"]),
        ("Arvnd Mills", ["Arvind Mills"]),
        ("Arvind Mill", ["Arvind Mills"]),
        ("Asha Stores", ["Asha Stores, Jayanagar"]),
        ("Vardhaman", ["Vardhman"]),
        ("Gupta & Sons", ["M/s Gupta & Sons"]),
        ("Gupta and Sons", ["M/s Gupta & Sons"]),
        ("Andheri", []),
        ("Bandra 2", []),  # a shop of its own
        ("ARVIND-MILLS ", []),  # that is Arvind Mills
        ("RK Traders", []),  # and that R K Traders
        ("", []),
    ],
)
def test_a_party_that_may_be_meant(typed: str, meant: list[str]) -> None:
    assert near(typed, PARTIES) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("KT.104", ["KT-104"]),
        ("KT-1O4", ["KT-104"]),
        ("KTl04", ["KT-104"]),
        ("KT-I04", ["KT-104"]),
        ("KT-0104", ["KT-104"]),
        ("42", ["00042"]),
        ("Q0-I0", ["QO-10"]),
        ("AB-7", ["A.B.7"]),
        ("KT-105", []),  # a design of its own
        ("kt 104", []),  # the same
    ],
)
def test_a_sku_that_may_be_meant(typed: str, meant: list[str]) -> None:
    assert near_sku(typed, SKUS) == meant


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Navy\u00a0 Blue ", "Navy Blue"),
        ("QZ-77\u200b", "QZ-77"),
        ("A\u00adB", "AB"),
        ("\ufeffTeal", "Teal"),
        ("E\u0301clat", "Éclat"),
        ("क्\u200dष", "क्\u200dष"),
        ("\u202eabc", "abc"),
        ("\u200b\u2060", ""),
    ],
)
def test_what_nobody_sees_is_not_stored(typed: str, stored: str) -> None:
    assert tidy(typed) == stored
