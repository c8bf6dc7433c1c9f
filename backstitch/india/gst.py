"""Normalises and checks GSTINs and HSN codes, which the database checks again, and knows the slabs of apparel."""

import re
from datetime import date
from decimal import Decimal

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Of a taxpayer by PAN; of who deducts or collects tax by TAN, whose fifth character is a digit.
PATTERN = re.compile(r"[0-9]{2}[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z][0-9A-Z]{2}", re.ASCII)
# 15 characters, but no GSTIN: of an embassy or a body of the United Nations; of a taxpayer who lives abroad.
OTHER_NUMBERS = (
    (re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}[UO]N[A-Z0-9]", re.ASCII), "a UIN, which embassies and UN bodies have"),
    (re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}NR[A-Z0-9]", re.ASCII), "the number of a non-resident taxpayer"),
)
HSN = re.compile(r"[0-9]{4}|[0-9]{6}|[0-9]{8}", re.ASCII)
WHOLE_NUMBER = re.compile(
    r"([0-9]{4}|[0-9]{6}|[0-9]{8})\.0", re.ASCII
)  # how programs write a number in a column of decimals
# Apparel (HSN chapters 61 and 62) since the rates changed: per piece, up to a price and above it.
SLABS_SINCE = date(2025, 9, 22)
SLAB_PRICE = Decimal(2500)
SLAB_BELOW, SLAB_ABOVE = Decimal(5), Decimal(18)
APPAREL = ("61", "62")
LENGTH = 15

STATES = {
    "01": "Jammu and Kashmir",
    "02": "Himachal Pradesh",
    "03": "Punjab",
    "04": "Chandigarh",
    "05": "Uttarakhand",
    "06": "Haryana",
    "07": "Delhi",
    "08": "Rajasthan",
    "09": "Uttar Pradesh",
    "10": "Bihar",
    "11": "Sikkim",
    "12": "Arunachal Pradesh",
    "13": "Nagaland",
    "14": "Manipur",
    "15": "Mizoram",
    "16": "Tripura",
    "17": "Meghalaya",
    "18": "Assam",
    "19": "West Bengal",
    "20": "Jharkhand",
    "21": "Odisha",
    "22": "Chhattisgarh",
    "23": "Madhya Pradesh",
    "24": "Gujarat",
    "25": "Daman and Diu",
    "26": "Dadra and Nagar Haveli and Daman and Diu",
    "27": "Maharashtra",
    "28": "Andhra Pradesh (before division)",
    "29": "Karnataka",
    "30": "Goa",
    "31": "Lakshadweep",
    "32": "Kerala",
    "33": "Tamil Nadu",
    "34": "Puducherry",
    "35": "Andaman and Nicobar Islands",
    "36": "Telangana",
    "37": "Andhra Pradesh",
    "38": "Ladakh",
    "97": "Other territory",
    "99": "Centre",
}


def normalise_gstin(typed: str) -> str:
    """The GSTIN in upper case, without spaces and hyphens: ` 27 aapfu0939f1zv` -> `27AAPFU0939F1ZV`."""
    return "".join(typed.split()).replace("-", "").upper()


def gstin_problem(gstin: str) -> str | None:
    """A sentence on what is wrong with a normalised GSTIN; None when it is valid."""
    if len(gstin) != LENGTH:
        return f"A GSTIN has {LENGTH} characters; this one has {len(gstin)}."
    for pattern, what in OTHER_NUMBERS:
        if pattern.fullmatch(gstin):
            return f"This is {what}, and no GSTIN. Leave the field empty, and keep the number with the address."
    if not PATTERN.fullmatch(gstin):
        return "A GSTIN is 2 digits, 5 letters, 4 digits, a letter and 3 more characters, such as 27AAPFU0939F1ZV."
    if gstin[:2] not in STATES:
        return f"A GSTIN starts with the number of a state, 01 to 38, or 97 or 99; {gstin[:2]} is none."
    if gstin[-1] != check_digit(gstin[:-1]):
        return "The last character of this GSTIN does not fit the others. Look for a typing mistake."
    return None


def check_digit(first_14: str) -> str:
    """The check digit of a GSTIN, its fifteenth character.

    Characters count as digits in base 36. Every second value is doubled, and the two base-36 digits of each product
    are added.
    """
    products = [CHARACTERS.index(character) * (1 + index % 2) for index, character in enumerate(first_14)]
    return CHARACTERS[-sum(product // 36 + product % 36 for product in products) % 36]


def state_of(gstin: str) -> str:
    """The state in which a GSTIN is registered; empty when its first two digits name no state."""
    return STATES.get(gstin[:2], "")


def normalise_hsn(typed: str) -> str:
    """The digits of an HSN code: `62.04`, `6204 42` and `6204.0` -> 6204, 620442 and 6204."""
    plain = "".join(typed.split())
    whole = WHOLE_NUMBER.fullmatch(plain)
    return whole[1] if whole else plain.replace(".", "").replace("-", "")


def hsn_problem(hsn: str) -> str | None:
    """A sentence on what is wrong with a normalised HSN code; None when it is valid."""
    if HSN.fullmatch(hsn):
        return None
    if hsn.isdecimal() and len(hsn) in {3, 5, 7}:
        return f"An HSN code has 4, 6 or 8 digits; {hsn} has {len(hsn)}. A spreadsheet may have dropped a 0 in front."
    return f"“{hsn[:40]}” is not an HSN code, which has 4, 6 or 8 digits."


def slab_remark(*, hsn: str | None, price: Decimal | None, rate: Decimal | None) -> str | None:
    """A sentence if the GST rate in percent is not the slab of apparel at this price per piece; a hint, no refusal."""
    if price is None or rate is None or not (hsn or "").startswith(APPAREL):
        return None
    slab = SLAB_BELOW if price <= SLAB_PRICE else SLAB_ABOVE
    if rate == slab:
        return None
    return (
        f"GST on apparel is {SLAB_BELOW} % up to ₹2,500 a piece and {SLAB_ABOVE} % above, since "
        f"{SLABS_SINCE.day} {SLABS_SINCE:%B %Y}. Look whether {rate.normalize():f} % is meant."
    )
