"""The links to the files, as the page shows them: each period and format arrives; a refusal is a page in words."""

from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from backstitch import startup
from backstitch.accounts.permissions import Role
from backstitch.api import exports
from backstitch.audit.periods import Period
from backstitch.startup import Service
from tests.conftest import Clone
from tests.db.audit.test_export_api import Answer, ask
from tests.ui.conftest import Open
from tests.ui.shop import Shop
from ui.server import downloads, error_page

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DAYS = {"from": "2000-01-01", "to": "2035-12-31"}
STARTS = {"csv": b"\xef\xbb\xbfTime,", "xlsx": b"PK"}


@pytest.fixture
def app(clone: Clone) -> Starlette:
    """The server's routes, with the session of an analyst where a request names that role."""
    files = exports.routes(
        startup.current,
        authenticate=lambda request: clone.actor(Role.ANALYST) if "x-role" in request.headers else None,
        error_page=error_page.response,
    )
    return Starlette(routes=[*files, *downloads.routes()[len(files) :]])


def follow(app: Starlette, tab: AppTest, ending: str) -> Answer:
    (link,) = [link for link in tab.link_button if urlsplit(link.url).path.endswith(ending)]
    url = urlsplit(link.url)
    return ask(app, url.path, query=url.query, headers=BROWSER)


@pytest.mark.parametrize("period", Period)
def test_each_period_arrives_in_each_format_by_the_link_of_the_page(
    open_page: Open, shop: Shop, app: Starlette, period: Period
) -> None:
    shop.product()
    shop.run("update audit.records set recorded_at = recorded_at - interval '1 day' where entity = 'ProductColor'")
    tab = open_page("audit", Role.ANALYST, period=period.value, **(DAYS if period is Period.CUSTOM else {}))
    for ending, start in STARTS.items():
        answer = follow(app, tab, ending)
        assert (answer.status, answer.body[: len(start)]) == (200, start), answer.body


def test_all_changes_to_a_product_arrive_by_the_link_of_the_page(open_page: Open, shop: Shop, app: Starlette) -> None:
    shop.product()
    tab = open_page("audit", Role.ANALYST, product="AN201 · Leggings", period="All time")
    assert [follow(app, tab, ending).status for ending in STARTS] == [200, 200]


@pytest.mark.parametrize(
    ("path", "query", "signed_in", "status", "sentence"),
    [
        ("audit/export.csv", "start=2026-01-01", True, 400, "“end” is missing"),
        ("audit/export.xlsx", "start=1890-01-01&end=2026-01-01", True, 400, "“1890-01-01” is no start"),
        ("audit/export.csv", "start=2026-01-01&end=2026-02-01&colour=<b>", True, 400, "“colour” is not a parameter"),
        ("audit/export.csv", "start=2026-01-01&end=2026-02-01", False, 401, "Sign in first."),
        ("audit/export.pdf", "", True, 404, "No download has this address."),
        ("nothing/of/this/kind", "", False, 404, "No download has this address."),
    ],
)
def test_a_browser_gets_a_page_in_words_and_a_program_gets_json(
    service: Service, app: Starlette, path: str, query: str, signed_in: bool, status: int, sentence: str
) -> None:
    role = Role.ANALYST if signed_in else None
    page = ask(app, f"/api/v1/{path}", query=query, role=role, headers=BROWSER)
    assert (page.status, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    text = page.body.decode()
    assert sentence in text and 'href="/audit"' in text and "{" not in text.partition("</style>")[2]
    answer = ask(app, f"/api/v1/{path}", query=query, role=role, headers={"accept": "application/json"})
    assert answer.error[0] == status and answer.error[2].startswith(sentence)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("start=2000-01-01T00:00:00%2B05:30&end=2026-01-01T00:00:00%2B05:30", 200),
        ("start=2000-01-01T00:00:00+05:30&end=2026-01-01T00:00:00+05:30", 200),  # the + of an address typed by hand
        ("start=2000-01-01T00:00:00-08:00&end=2026-01-01", 200),
        ("start=1999-12-31T23:59:59%2B05:30&end=2026-01-01", 400),
        ("start=2000-01-01&end=2199-12-31", 200),
        ("start=2000-01-01&end=2200-12-31", 400),
    ],
)
def test_the_first_day_is_that_of_the_zone_in_which_it_is_written(
    service: Service, app: Starlette, query: str, status: int
) -> None:
    assert ask(app, "/api/v1/audit/export.csv", query=query, method="HEAD").status == status
