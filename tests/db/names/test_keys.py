"""One key per kind of name: the functions of the database, and their mirror, give the same."""

import random
import unicodedata

import pytest

from backstitch.inventory import names
from backstitch.inventory.products import sizes
from tests.conftest import Clone

MIRRORED = {
    "plain_name": names.plain,
    "name_key": names.name_key,
    "sku_key": names.sku_key,
    "size_key": names.size_key,
    "size_order": sizes.order,
}
ALIKE = {
    "sku_key": (
        ("qz-77", "QZ-77", "QZ-77\u200b", "QZ 77", "QZ77", "ＱＺ－７７", " qz–77 ", "Qz - 77", "QZ\u00ad-77"),
        ("00451", "００４５１"),
        ("A-1-11", "a1-11", "A 1 11"),
        ("straße-9", "STRAßE 9"),
        ("КТ-5", "кт 5"),
    ),
    "name_key": (
        ("Sea Green", "SeaGreen", "sea-green", "SEA GREEN ", "Sea\u00a0Green", "ＳＥＡ Green", "Sea\u200dGreen"),
        ("Éclat", "éclat", "E\u0301clat"),
        ("R K Traders", "RK Traders", "r-k traders"),
        ("Σοφός", "ΣΟΦΌΣ"),
        ("हरा रंग", "हरा-रंग", "हरा\u200c रंग"),
    ),
    "size_key": (
        ("2XL", "XXL", "2-XL", "xx-large", "XX Large", "Double XL", "extra extra large", "Size XXL", "２ＸＬ"),
        ("3XL", "XXXL", "triple xl", "3 x l"),
        ("10XL", "xxxxxxxxxxl", "10-xl"),
        ("XL", "1XL", "X-Large", "Extra Large"),
        ("XXS", "2XS", "xx small"),
        ("XS", "x-small", "extra small"),
        ("M", "medium", "Med", "size: m"),
        ("FREE", "Free Size", "FREESIZE", "free-size", "One Size", "OS", "O/S", "F/S", "Size Free"),
        ("40", "Size 40", "40.0", "040", "sz. 40", '40"', "40 inch", "４０"),
        ("2-4Y", "2-4 Yrs", "2-4 years", "2 to 4 y", "2Y-4Y", "02-04Y", "2–4 Y"),
        ("6-12M", "6-12 months", "6m-12m", "6 to 12 mths"),
        ("5Y", "5 years", "5-yr"),
        ("32x34", "32 X 34", "32×34", "W32 L34", "32*34", "w32xl34"),
        ("newborn", "New Born", "NB"),
    ),
}
APART = {
    "sku_key": ("1-12", "11-2", "112", "A-BC", "AB-C", "ABC", "00451", "451", "KT/104", "KT.104"),
    "name_key": ("Sea Green", "Sea Gren", "Sea-Green 2", "Unit 1-12", "Unit 11-2", "Unit 112", "Green", "Arvind"),
    "size_key": (
        "S", "M", "L", "XL", "2XL", "3XL", "XS", "FREE", "40", "4", "00", "0", "2-4", "2-4Y", "2-4M", "12M", "12Y",
        "12", "2L", "34B", "38.5", "32x34", "32/34", "S/M", "S-M", "4T",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "spellings"), [(kind, group) for kind, groups in ALIKE.items() for group in groups])
def test_spellings_of_one_thing_have_one_key(kind: str, spellings: tuple[str, ...]) -> None:
    assert {MIRRORED[kind](spelling) for spelling in spellings} == {MIRRORED[kind](spellings[0])}


@pytest.mark.parametrize("kind", APART)
def test_different_things_have_different_keys(kind: str) -> None:
    assert len({MIRRORED[kind](name) for name in APART[kind]}) == len(APART[kind])


def random_names(count: int, seed: int) -> list[str]:
    """Texts of letters, digits, blanks, marks and words of sizes, among them what Unicode has of all scripts."""
    dice = random.Random(seed)
    assigned = [chr(code) for code in range(1, 0x20000) if unicodedata.category(chr(code)) not in {"Cn", "Cs"}]
    words = ["to", "Y", "yrs", "months", "large", "double", "extra", "w", "in", "xl", "Size", "free", ".0", "10", "M"]
    pieces = [*names.BLANKS, *names.HYPHENS, *'\u200b\u200dẞıİ×０"abcXYZ019-/ ', *words]
    return [
        "".join(
            dice.choice(assigned) if dice.random() < 0.15 else dice.choice(pieces) for _ in range(dice.randint(0, 9))
        )
        for _ in range(count)
    ]


def assert_mirrored(clone: Clone, texts: list[str]) -> None:
    columns = ", ".join(f"inventory.{function}(t)" for function in MIRRORED)
    with clone.superuser() as psql:
        rows = psql.execute(f"select t, {columns} from unnest(%s::text[]) t", [texts]).fetchall()
    different = [
        (function, text, stored, mirror(text))
        for text, *keys in rows
        for (function, mirror), stored in zip(MIRRORED.items(), keys, strict=True)
        if stored != mirror(text)
    ]
    assert not different, different[:10]
    assert len(rows) == len(texts)


def test_the_database_gives_the_same_keys(kept_clone: Clone) -> None:
    groups = [group for table in ALIKE.values() for group in table]
    known = [name for group in (*groups, *APART.values()) for name in group]
    assert_mirrored(kept_clone, known + random_names(20_000, seed=1))


@pytest.mark.slow
def test_the_database_gives_the_same_keys_of_a_million_texts(kept_clone: Clone) -> None:
    for seed in range(10):
        assert_mirrored(kept_clone, random_names(100_000, seed=seed))
