"""The environment becomes one object; a value that cannot be used is a sentence."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from backstitch import settings
from backstitch.company import Company
from backstitch.errors import StartError
from backstitch.queues import Limits
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


def test_what_belongs_to_an_installation_is_kept_outside_the_repository(project: Path) -> None:
    ignored = (project / ".gitignore").read_text(encoding="utf-8").split()
    assert {f"{settings.load({}).home.name}/", ".streamlit/secrets.toml"} <= set(ignored)


def test_every_setting_can_be_given() -> None:
    given = {
        "BACKSTITCH_HOME": "/srv/shop",
        "DATABASE_URL": "postgresql://db/shop",
        "BACKSTITCH_TIMEZONE": "Europe/Berlin",
        "BACKSTITCH_CURRENCY": "€",
        "BACKSTITCH_DEMO": "yes",
        "BACKSTITCH_SESSION_HOURS": "0.5",
        "BACKSTITCH_IDLE_HOURS": "0.25",
        "BACKSTITCH_HOSTS": "Shop.example.com, shop  other.example",
        "BACKSTITCH_COOKIE_KEY": "k" * 32,
        "BACKSTITCH_SINGLE_SIGN_ON_KEY": "s" * 32,
        "BACKSTITCH_APP_PASSWORD": "p",
        "BACKSTITCH_WATCH_PASSWORD": "w",
        "BACKSTITCH_SEARCHES": "6",
        "BACKSTITCH_SEARCHES_PER_USER": "1",
        "BACKSTITCH_READ_SECONDS": "45",
        "BACKSTITCH_EXPORTS": "2",
        "BACKSTITCH_APP_CONNECTIONS": "60",
    }
    assert settings.load(given) == Settings(
        home=Path("/srv/shop"),
        database_url="postgresql://db/shop",
        timezone=ZoneInfo("Europe/Berlin"),
        currency="€",
        demo=True,
        session_lifetime=timedelta(minutes=30),
        session_idle=timedelta(minutes=15),
        hosts=("shop.example.com", "shop", "other.example"),
        cookie_key="k" * 32,
        single_sign_on_key="s" * 32,
        app_password="p",
        watch_password="w",
        limits=Limits(heavy_at_once=6, heavy_per_user=1, heavy_seconds=45, exports_at_once=2),
        app_connections=60,
    )


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "101", "many", "٣", "1" * 5000])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(StartError, match=r"^BACKSTITCH_SEARCHES is “.*”; use a whole number from 1 to 100\.$"):
        settings.load({"BACKSTITCH_SEARCHES": value})


def test_a_session_that_is_not_used_lasts_eight_hours_and_no_other_host_is_served() -> None:
    found = settings.load({})
    assert (found.session_idle, found.hosts) == (timedelta(hours=8), ())


@pytest.mark.parametrize("name", ["BACKSTITCH_COOKIE_KEY", "BACKSTITCH_SINGLE_SIGN_ON_KEY"])
def test_a_secret_that_could_be_guessed_is_refused_and_one_is_never_shown(name: str) -> None:
    with pytest.raises(StartError, match=rf"^{name} is too short to be a secret; use 32 random characters or more"):
        settings.load({name: "k" * 31})
    assert "k" * 32 not in repr(settings.load({name: "k" * 32, "BACKSTITCH_APP_PASSWORD": "k" * 32}))


def test_a_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    names = (
        "HOME",
        "TIMEZONE",
        "CURRENCY",
        "DEMO",
        "SESSION_HOURS",
        "IDLE_HOURS",
        "HOSTS",
        "COOKIE_KEY",
        "APP_PASSWORD",
        "WATCH_PASSWORD",
    )
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


def test_the_company_is_what_its_settings_say(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGB", (2, 1)).save(logo)
    given = {
        "BACKSTITCH_COMPANY_NAME": " Aarna Apparel ",
        "BACKSTITCH_COMPANY_ADDRESS": "Plot 12\\nMumbai",
        "BACKSTITCH_COMPANY_GSTIN": "27 aapfu0939f1zv",
        "BACKSTITCH_COMPANY_LOGO": str(logo),
    }
    assert settings.load(given).company == Company("Aarna Apparel", "Plot 12\nMumbai", "27AAPFU0939F1ZV", logo)


def test_a_wrong_gstin_or_logo_of_the_company_is_named(tmp_path: Path) -> None:
    text, missing = tmp_path / "logo.txt", tmp_path / "none.png"
    text.write_text("no picture")
    wrong = {
        (
            "GSTIN",
            "27AAPFU0939F1ZX",
        ): "The last character of this GSTIN does not fit the others. Look for a typing mistake.",
        ("LOGO", str(text)): "use a PNG or JPEG file.",
        ("LOGO", str(missing)): "which cannot be read: No such file or directory.",
    }
    for (name, value), end in wrong.items():
        with pytest.raises(StartError) as caught:
            settings.load({f"BACKSTITCH_COMPANY_{name}": value})
        assert str(caught.value).startswith(f"BACKSTITCH_COMPANY_{name} is “{value}”") and str(caught.value).endswith(
            end
        )
