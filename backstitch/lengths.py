"""The greatest lengths of texts, in characters. Forms and previews refuse a longer text.

The database has the same numbers in its constraints, and the last word; a test compares the two.
"""

NAME = 120  # of a product, a person, a store, an agency, a supplier
EMAIL = 254
SKU = 60
DESCRIPTION = 4_000
CATEGORY = 60
COLOUR = 60
COLOUR_CODE = 40
SIZE = 20
ADDRESS = 400
REGION = 120
ORDER_NOTE = 500

# Elements of a list.
SIZES = 40
ALLOWED_PARTIES = 1_000
