"""The version: PEP 440, and in the changelog."""

import re
from pathlib import Path

from packaging.version import Version

from backstitch import __version__


def test_the_changelog_has_the_version_on_top(project: Path) -> None:
    """A version in the making is under Unreleased; a released one has the first section, with its day."""
    headings = re.findall(r"^## (.+)$", (project / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if Version(__version__).is_devrelease:
        assert headings[0] == "[Unreleased]"
    else:
        assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", headings[0])
    assert str(Version(__version__)) == __version__
