"""Normalises and checks GSTINs. The database checks them again."""

import re

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PATTERN = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][0-9A-Z]{2}", re.ASCII)
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
}


def normalise_gstin(typed: str) -> str:
    """The GSTIN in upper case, without spaces and hyphens: ` 27 aapfu0939f1zv` -> `27AAPFU0939F1ZV`."""
    return "".join(typed.split()).replace("-", "").upper()


def gstin_problem(gstin: str) -> str | None:
    """A sentence on what is wrong with a normalised GSTIN; None when it is valid."""
    if len(gstin) != LENGTH:
        return f"A GSTIN has {LENGTH} characters; this one has {len(gstin)}."
    if not PATTERN.fullmatch(gstin):
        return "A GSTIN is 2 digits, 5 letters, 4 digits, a letter and 3 more characters, such as 27AAPFU0939F1ZV."
    if gstin[:2] not in STATES:
        return f"A GSTIN starts with the number of a state, 01 to 38; {gstin[:2]} is none."
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
