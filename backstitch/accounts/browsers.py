"""Describes a user agent in words."""

import re

# The first match counts: most user agents also name other browsers.
BROWSERS = (
    ("Edge", r"\bEdgA?/|\bEdgiOS/"),
    ("Opera", r"\bOPR/|\bOpera"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\bFirefox/|\bFxiOS/"),
    ("Chrome", r"Chrome/|\bCriOS/|\bChromium/"),
    ("Safari", r"\bSafari/"),
)
SYSTEMS = (
    ("Windows", r"\bWindows\b"),
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Mac", r"\bMacintosh\b|\bMac OS X\b"),
    ("Linux", r"\bLinux\b"),
)


def in_words(user_agent: str | None) -> str:
    """Browser and system of a user agent, as far as known: `Firefox on Windows`. A browser can state anything."""
    browser, system = (
        next((name for name, pattern in names if re.search(pattern, user_agent or "")), None)
        for names in (BROWSERS, SYSTEMS)
    )
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system else "Unknown browser")
