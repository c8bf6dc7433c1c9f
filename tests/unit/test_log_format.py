"""What somebody typed, in the log: one line each, and nothing that a terminal obeys. SAFETY row 27."""

import logging
import re

import pytest

from backstitch import log_format
from backstitch.request import Source, door
from bench.campaigns import payloads

LINE = re.compile(r"[-\d]{10} [:,\d]{12} (INFO|ERROR) tests\.of\.the\.log: ")
FORGED = "x\r\n2026-01-01 10:00:00,000 INFO ui: forged"


def opened_log(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """A logger that writes to the standard error of the test, as those of the app do."""
    monkeypatch.setattr(log_format, "LOGGERS", ("tests.of.the.log",))
    for name in ("tests.of.the.log", "streamlit.error_util", "streamlit.runtime.websocket_session_manager"):
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    log = logging.getLogger("tests.of.the.log")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", False)
    log_format.to_standard_error()
    return log


def test_every_payload_stays_in_the_line_of_its_record_and_out_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened_log(monkeypatch)
    texts = [*payloads.fixed(), FORGED]
    for text in texts:
        log.info("refused by %s: %s", "not_a_number", f"“{text}” is not a number.")
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("error 1a2b3c4d")
    written = capsys.readouterr().err
    assert [sign for sign in written if not sign.isprintable() and sign != "\n"] == []
    records = [line for line in written.split("\n") if LINE.match(line)]
    others = [line for line in written.split("\n") if not LINE.match(line)]
    assert [line for line in others if line and not line.startswith("  ")] == []
    assert len(records) == 2 * len(texts)
    # Nothing is lost: a reader sees what was typed, and control characters by their names.
    shown = [line.partition("not_a_number: “")[2].removesuffix("” is not a number.") for line in records[::2]]
    assert [one for one, text in zip(shown, texts, strict=True) if text.isprintable() and one != text] == []
    assert shown[-1] == r"x\r\n2026-01-01 10:00:00,000 INFO ui: forged"


def test_a_line_that_is_written_during_a_request_carries_its_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened_log(monkeypatch)
    log.info("before")
    with door(Source.PAGE) as request:
        log.info("during")
        log.error("error %s", request.id)
    log.info("after")
    assert [line.partition(" tests.of.the.log")[2] for line in capsys.readouterr().err.splitlines()] == [
        ": before",
        f" [{request.id}]: during",
        f" [{request.id}]: error {request.id}",
        ": after",
    ]


def test_the_same_line_of_a_library_is_written_a_few_times_a_minute() -> None:
    now = [0.0]
    few = log_format.AtMost(2, clock=lambda: now[0])

    def passes(message: str, *filled_in: object) -> bool:
        return few(logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, message, filled_in, None))

    assert [passes("Cannot read %s", number) for number in range(4)] == [True, True, False, False]
    assert passes("Something else")
    now[0] = 59
    assert not passes("Cannot read %s", 5)
    now[0] = 60
    assert [passes("Cannot read %s", number) for number in range(3)] == [True, True, False]
