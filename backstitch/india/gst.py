"""GSTINs: tidied as they are typed, and what is wrong with one. The database checks them again."""

import re

SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
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


def tidy_gstin(typed: str) -> str:
    """` 27 aapfu0939f1zv` -> `27AAPFU0939F1ZV`."""
    return "".join(typed.split()).replace("-", "").upper()


def gstin_problem(gstin: str) -> str | None:
    """What is wrong with a tidied GSTIN, in a sentence; None when nothing is."""
    if len(gstin) != LENGTH:
        return f"A GSTIN has {LENGTH} signs; this one has {len(gstin)}."
    if not PATTERN.fullmatch(gstin):
        return "A GSTIN is 2 digits, 5 letters, 4 digits, a letter and 3 more signs, such as 27AAPFU0939F1ZV."
    if gstin[:2] not in STATES:
        return f"A GSTIN starts with the number of a state, 01 to 38; {gstin[:2]} is none."
    if gstin[-1] != check_sign(gstin[:-1]):
        return "The last sign of this GSTIN does not fit the others. Look for a typing mistake."
    return None


def check_sign(first_14: str) -> str:
    """The fifteenth sign: values in base 36, those at even places twice, the two digits of each product added."""
    products = [SIGNS.index(sign) * (1 + place % 2) for place, sign in enumerate(first_14)]
    return SIGNS[-sum(product // 36 + product % 36 for product in products) % 36]


def state_of(gstin: str) -> str:
    """The state that a GSTIN is registered in; empty for one that is none."""
    return STATES.get(gstin[:2], "")
