"""What the demo business sells, to whom, and who works there. Invented, all of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from backstitch.accounts.permissions import Role
from backstitch.india.gst import check_digit

PEOPLE = (
    ("admin@demo.example", "Anita Desai", Role.ADMIN),
    ("manager@demo.example", "Ravi Menon", Role.MANAGER),
    ("manager2@demo.example", "Meera Shah", Role.MANAGER),
    ("analyst@demo.example", "Kiran Rao", Role.ANALYST),
    ("viewer@demo.example", "Lata Iyer", Role.VIEWER),
)
ADMIN, MANAGERS, ANALYST = PEOPLE[0][0], (PEOPLE[1][0], PEOPLE[2][0]), PEOPLE[3][0]

LETTERS = ("S", "M", "L", "XL", "XXL")
HSN = {
    "Kurta": "6204",
    "Kurta Set": "6204",
    "Leggings": "6115",
    "Palazzo": "6204",
    "Top": "6206",
    "Dress": "6204",
    "Saree": "5208",
    "Blouse": "6206",
    "Night Wear": "6208",
}
# sku, name, category, price, sizes, colours
DESIGNS = (
    ("KT-104", "Straight cotton kurta", "Kurta", "899.00", LETTERS, ("Navy Blue", "Mustard", "Off White")),
    ("KT-118", "Block print kurta", "Kurta", "1149.00", LETTERS, ("Indigo", "Rust")),
    ("KT-131", "A-line rayon kurta", "Kurta", "999.00", ("XS", *LETTERS), ("Teal", "Wine", "Peach")),
    ("KS-210", "Kurta set with dupatta", "Kurta Set", "2199.00", LETTERS, ("Sea Green", "Maroon")),
    ("KS-224", "Chikankari kurta set", "Kurta Set", "2899.00", LETTERS, ("White", "Powder Blue")),
    ("LG-301", "Ankle leggings", "Leggings", "349.00", (*LETTERS, "XXXL"), ("Black", "Red", "Beige", "Navy Blue")),
    ("PZ-402", "Flared palazzo", "Palazzo", "749.00", LETTERS, ("Black", "Cream")),
    ("TP-515", "Crop top", "Top", "599.00", ("XS", "S", "M", "L"), ("Lemon Yellow", "Magenta")),
    ("DR-608", "Tiered maxi dress", "Dress", "1799.00", ("S", "M", "L", "XL"), ("Olive Green", "Coral")),
    ("SR-702", "Handloom cotton saree", "Saree", "3499.00", ("FREE",), ("Turquoise", "Wine", "Gold")),
    ("BL-711", "Embroidered blouse", "Blouse", "799.00", ("32", "34", "36", "38", "40"), ("Gold", "Black")),
    ("NW-805", "Cotton night suit", "Night Wear", "1099.00", LETTERS, ("Sky Blue", "Pink")),
)
CLOTHS = ("Cotton", "Rayon", "Linen", "Khadi", "Chanderi", "Mulmul", "Modal", "Handloom", "Georgette", "Silk blend")
CUTS = ("straight", "A-line", "flared", "pleated", "printed", "embroidered", "tiered", "block print", "plain")
COLOURS = (
    "Navy Blue", "Mustard", "Off White", "Indigo", "Rust", "Teal", "Wine", "Peach", "Sea Green", "Maroon", "Black",
    "Red", "Beige", "Cream", "Magenta", "Coral", "Olive Green", "Turquoise", "Sky Blue", "Pink",
)  # fmt: skip

MILLS = ("Arvind Mills", "Vardhman Textiles", "Sri Lakshmi Weavers", "Jaipur Block Prints", "Tirupur Knits")
STORES = ("Indiranagar", "Bandra", "Connaught Place", "Anna Nagar")
# city, number of the state in a GSTIN, start of the pincode, region
CITIES = (
    ("Bengaluru", "29", "5600", "South"),
    ("Mumbai", "27", "4000", "West"),
    ("Delhi", "07", "1100", "North"),
    ("Chennai", "33", "6000", "South"),
    ("Jaipur", "08", "3020", "North"),
    ("Ahmedabad", "24", "3800", "West"),
    ("Kolkata", "19", "7000", "East"),
    ("Hyderabad", "36", "5000", "South"),
    ("Kochi", "32", "6820", "South"),
    ("Lucknow", "09", "2260", "North"),
)
FAMILIES = (
    "Mehta",
    "Kapoor",
    "Reddy",
    "Nair",
    "Bose",
    "Agarwal",
    "Pillai",
    "Shetty",
    "Joshi",
    "Khanna",
    "Das",
    "Patel",
)
SHOPS = ("Stores", "Fashions", "Textiles", "Emporium", "Collection", "Garments", "Silks", "Boutique")
AGENCY_NAMES = ("Southern Garments Agency", "Kapoor & Sons", "Western Apparel Agency", "Ganga Textile Agents")


@dataclass(frozen=True)
class Design:
    """A product as the demo business plans it."""

    sku: str
    name: str
    category: str
    price: Decimal
    sizes: tuple[str, ...]
    colours: tuple[str, ...]

    @property
    def gst_rate(self) -> int:
        """Percent: what costs up to 2,500 is taxed less."""
        return 5 if self.price <= 2500 else 18


def designs(dice: random.Random, count: int) -> Iterator[Design]:
    """`count` products: the twelve of every demo, then more of their kinds."""
    for number in range(count):
        sku, name, category, price, sizes, colours = DESIGNS[number % len(DESIGNS)]
        if number < len(DESIGNS):
            yield Design(sku, name, category, Decimal(price), sizes, colours)
            continue
        yield Design(
            f"{sku[:2]}-{1000 + number}",
            f"{dice.choice(CLOTHS)} {dice.choice(CUTS)} {category.lower()}",
            category,
            Decimal(price) + 50 * dice.randrange(-4, 9),
            sizes,
            tuple(dice.sample(COLOURS, k=dice.randrange(2, 5))),
        )


def customers(dice: random.Random, count: int) -> Iterator[dict[str, object]]:
    """Rows of inventory.customers, with GSTINs that hold."""
    for number in range(count):
        city, state, pincode, region = CITIES[number % len(CITIES)]
        family = FAMILIES[number % len(FAMILIES)]
        shop = SHOPS[number // len(FAMILIES) % len(SHOPS)]
        branch = number // (len(FAMILIES) * len(SHOPS))
        yield {
            "store_name": f"{family} {shop}" + (f" {city} {branch}" if branch else ""),
            "gst_number": _gstin(dice, state, family),
            "phone": _mobile(dice),
            "address": f"{dice.randrange(1, 240)}, Market Road, {city}",
            "pincode": f"{pincode}{dice.randrange(1, 90):02}",
            "payment_days": dice.choice((0, 15, 30, 30, 45, 60)),
            "region": region,
        }


def agencies(dice: random.Random, count: int) -> Iterator[dict[str, object]]:
    """Rows of inventory.agencies, with GSTINs that hold."""
    for number in range(count):
        city, state, pincode, region = CITIES[number % len(CITIES)]
        known = number < len(AGENCY_NAMES)
        yield {
            "agency_name": AGENCY_NAMES[number] if known else f"{FAMILIES[number % len(FAMILIES)]} Agency {number}",
            "owner_mobile": _mobile(dice),
            "accounts_mobile": _mobile(dice),
            "days_of_payment": dice.choice((15, 30, 45)),
            "gst_number": _gstin(dice, state, "AGENCY"),
            "address": f"{dice.randrange(1, 90)}, Commercial Street, {city}",
            "pincode": f"{pincode}{dice.randrange(1, 90):02}",
            "region_covered": region,
        }


def _gstin(dice: random.Random, state: str, name: str) -> str:
    letters = "".join(dice.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(3))
    first = f"{state}{letters}P{name[0].upper()}{dice.randrange(10000):04}{dice.choice('ABCDEFGHJK')}1Z"
    return first + check_digit(first)


def _mobile(dice: random.Random) -> str:
    return f"9{dice.randrange(10**9):09}"
