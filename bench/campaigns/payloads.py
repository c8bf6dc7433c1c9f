"""Hostile texts for text fields: 200 fixed ones, and random ones."""

import random
import string

HTML = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<b>bold</b>",
    "<a href='javascript:alert(1)'>a</a>",
    "<style>*{display:none}</style>",
    "<!-- hidden",
    "&lt;script&gt;",
    "&#x3C;img src=x&#x3E;",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "'\"><details open ontoggle=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "<plaintext>",
    "<input autofocus onfocus=alert(1)>",
]
MARKDOWN = [
    "**bold** _it_ ~~gone~~",
    "[a](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "# heading",
    "- item\n- item",
    "`code`",
    "```\nblock\n```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "$x^2$ $$\\frac{1}{2}$$",
    ":red[x] :blue-background[y]",
    ":material/delete: :smile:",
    "> quotation",
    "http://evil.example www.evil.example a@evil.example",
    "[x]: http://evil.example\n[x]",
    "<http://evil.example>",
    "line  \nline\\\nline",
    "\\*not\\* \\\\",
]
FORMULAS = [
    "=1+1",
    "=cmd|'/c calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    '=IMPORTXML("http://evil.example","//a")',
    "%0A=1+1",
    "＝1+1",
]
LINES = [
    "a\r\nb",
    "a\nSet-Cookie: x=y",
    "a\r\n\r\n<html>",
    "\r",
    "\n",
    "a\u2028b",
    "a\u2029b",
    "a\x0bb",
    "a\x85b",
    "\x1b[31mred",
]
CHARACTERS = [
    "\x00",
    "a\x00b",
    "\x01\x02\x7f",
    "\u202eabc\u202c",
    "قميص \u200fabc",
    "\u200b\u200c\u200d\ufeff",
    "é e\u0301",
    "ﬁ ½ Å ﷺ",
    "👗🏽 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
    "\ufffd\ufffe\U0010ffff",
    "नमस्ते दुनिया",
    "日本語",
    "ß ſ ı İ",
    "\u00a0\u2003",
]
CODE = [
    "'; drop table products; --",
    "' or '1'='1",
    "\\'; --",
    "$$; select 1",
    "%s %(x)s %%",
    "{x} {0.__class__} ${y} #{z}",
    "{{7*7}}",
    "../../etc/passwd",
    "file:///etc/passwd",
    "null",
    "None",
    "NaN",
    "Infinity",
    "-0",
    "1e309",
    "0x1F",
    "٣",
    "1,23,456.789",
    "99999999999999999999999999",
    "2026-02-30",
    "true",
    "[]",
    '{"a": 1}',
    '["x"]',
    "(?=x)*+",
    "\\",
    "%",
    "_",
    "",
    " ",
    "\t",
]


def fixed() -> list[str]:
    """The 200 fixed texts: each payload alone, payloads within other text, and very long ones."""
    alone = [*HTML, *MARKDOWN, *FORMULAS, *LINES, *CHARACTERS, *CODE]
    within = [f"Kurta {text} 12" for text in alone]
    long = ["x" * 10_000, "Kurta " * 2_000, "<b>" * 3_000, "=" * 5_000, "👗" * 3_000, "\u202e" * 500]
    return [*alone, *within, *long][:200]


def random_text(chance: random.Random) -> str:
    """A random text of payloads, printable characters and other code points."""
    parts = [*HTML, *MARKDOWN, *FORMULAS, *LINES, *CHARACTERS, *CODE]
    made = []
    for _ in range(chance.randint(1, 5)):
        kind = chance.random()
        if kind < 0.4:
            made.append(chance.choice(parts))
        elif kind < 0.7:
            made.append("".join(chance.choices(string.printable, k=chance.randint(1, 20))))
        else:
            # Without surrogates, which no browser can send.
            points = [chance.choice([chance.randrange(0xD800), chance.randrange(0xE000, 0x110000)]) for _ in range(8)]
            made.append("".join(map(chr, points)))
    return "".join(made)
