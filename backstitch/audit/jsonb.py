"""Reads and writes jsonb in the form in which the server writes it."""

import json
from typing import Any

Values = dict[str, Any]

# A number becomes bytes. So it keeps its scale (1.0 is not 1.00), and is equal to no text.
_DECODER = json.JSONDecoder(parse_float=str.encode, parse_int=str.encode)


def decode(written: str) -> Any:
    """The value, equal to another one only if both are written alike. Raises RecursionError if it nests too deeply."""
    return _DECODER.raw_decode(written)[0]


def decode_row(written: str | None) -> Values | None:
    """The values by name; None for null and for anything else that is no object."""
    values = None if written is None else decode(written)
    return values if isinstance(values, dict) else None


def encode(value: Any) -> str:
    """The value as the server writes it, with the shortest names first."""
    match value:
        case bytes():
            return value.decode()
        case list():
            return f"[{', '.join(map(encode, value))}]"
        case dict():
            names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
            return f"{{{', '.join(f'{encode(name)}: {encode(value[name])}' for name in names)}}}"
        case _:
            return json.dumps(value, ensure_ascii=False)
