"""The business as its documents name it: name, address, GSTIN and logo, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from backstitch.errors import StartError
from backstitch.india.gst import gstin_problem, normalise_gstin

IMAGE_FORMATS = ("PNG", "JPEG")  # what a spreadsheet shows


@dataclass(frozen=True)
class Company:
    """The business; unknown fields are empty. `address` may have several lines."""

    name: str = ""
    address: str = ""
    gstin: str = ""
    logo: Path | None = None


def load(environment: Mapping[str, str]) -> Company:
    """The company of BACKSTITCH_COMPANY_NAME, _ADDRESS, _GSTIN and _LOGO; raises StartError for an invalid value."""
    return Company(
        name=environment.get("BACKSTITCH_COMPANY_NAME", "").strip(),
        # A line of an .env file cannot hold a line break; `\n` in it stands for one.
        address=environment.get("BACKSTITCH_COMPANY_ADDRESS", "").replace("\\n", "\n").strip(),
        gstin=_gstin(environment.get("BACKSTITCH_COMPANY_GSTIN", "")),
        logo=_logo(environment.get("BACKSTITCH_COMPANY_LOGO", "")),
    )


def _gstin(typed: str) -> str:
    gstin = normalise_gstin(typed)
    problem = gstin_problem(gstin) if gstin else None
    if problem:
        raise StartError(f"BACKSTITCH_COMPANY_GSTIN is “{typed}”. {problem}")
    return gstin


def _logo(name: str) -> Path | None:
    if not name:
        return None
    path = Path(name).expanduser().absolute()
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            image.verify()
    except UnidentifiedImageError:
        raise StartError(f"BACKSTITCH_COMPANY_LOGO is “{name}”, which is no picture; use a PNG or JPEG file.") from None
    except OSError as error:
        cause = error.strerror or "it is damaged"
        raise StartError(f"BACKSTITCH_COMPANY_LOGO is “{name}”, which cannot be read: {cause}.") from None
    return path
