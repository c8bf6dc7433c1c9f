"""The environment becomes one object; a value that cannot be used is a sentence."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backstitch import settings
from backstitch.errors import StartError
from backstitch.settings import Settings


def test_an_empty_environment_means_the_embedded_server_in_the_checkout_with_demo_data(project: Path) -> None:
    assert settings.load({}) == Settings(
        home=project / ".backstitch",
        database_url=None,
        timezone=ZoneInfo("Asia/Kolkata"),
        currency="₹",
        demo=True,
        session_lifetime=timedelta(days=7),
    )


def test_every_setting_can_be_given() -> None:
    given = {
        "BACKSTITCH_HOME": "/srv/shop",
        "DATABASE_URL": "postgresql://db/shop",
        "BACKSTITCH_TIMEZONE": "Europe/Berlin",
        "BACKSTITCH_CURRENCY": "€",
        "BACKSTITCH_DEMO": "yes",
        "BACKSTITCH_SESSION_HOURS": "0.5",
    }
    assert settings.load(given) == Settings(
        home=Path("/srv/shop"),
        database_url="postgresql://db/shop",
        timezone=ZoneInfo("Europe/Berlin"),
        currency="€",
        demo=True,
        session_lifetime=timedelta(minutes=30),
    )


def test_a_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    names = ("HOME", "TIMEZONE", "CURRENCY", "DEMO", "SESSION_HOURS")
    assert settings.load({"DATABASE_URL": ""} | {f"BACKSTITCH_{name}": "" for name in names}) == settings.load({})


def test_somebody_elses_server_gets_no_demo_data_unless_asked() -> None:
    assert settings.load({"DATABASE_URL": "postgresql://db/shop"}).demo is False


def test_a_home_may_start_with_a_tilde_or_be_relative(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/asha")
    monkeypatch.chdir(tmp_path)
    assert settings.load({"BACKSTITCH_HOME": "~/shop"}).home == Path("/home/asha/shop")
    assert settings.load({"BACKSTITCH_HOME": "shop"}).home == tmp_path / "shop"


@pytest.mark.parametrize("value", ["yes", "YES", "true", "1"])
def test_a_flag_is_on_when_it_says(value: str) -> None:
    assert settings.load({"BACKSTITCH_DEMO": value}).demo is True


@pytest.mark.parametrize("value", ["no", "No", "false", "0"])
def test_a_flag_is_off_when_it_says(value: str) -> None:
    assert settings.load({"BACKSTITCH_DEMO": value}).demo is False


def hours(value: str) -> str:
    return f"BACKSTITCH_SESSION_HOURS is “{value}”; use a number of hours between 0 and 8760."


def zone(value: str) -> str:
    return f"BACKSTITCH_TIMEZONE is “{value}”, which is not a time zone; use a name such as Asia/Kolkata."


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("BACKSTITCH_DEMO", "maybe", "BACKSTITCH_DEMO is “maybe”; use yes or no."),
        ("BACKSTITCH_TIMEZONE", "Asia/Calcuta", zone("Asia/Calcuta")),
        ("BACKSTITCH_TIMEZONE", "../etc/passwd", zone("../etc/passwd")),
        ("BACKSTITCH_SESSION_HOURS", "a day", hours("a day")),
        ("BACKSTITCH_SESSION_HOURS", "0", hours("0")),
        ("BACKSTITCH_SESSION_HOURS", "-1", hours("-1")),
        ("BACKSTITCH_SESSION_HOURS", "8761", hours("8761")),
        ("BACKSTITCH_SESSION_HOURS", "nan", hours("nan")),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(StartError) as caught:
        settings.load({variable: value})
    assert str(caught.value) == sentence
