"""Runs the real app as a process, and talks to it as a browser does, without a browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from backstitch.settings import PROJECT

T = TypeVar("T")


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(answer: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Calls `answer` until it returns a true value, and returns that. Raises after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


class App:
    """`streamlit run app.py` on `home`; `settings` are further environment variables."""

    def __init__(self, home: Path, port: int | None = None, **settings: str) -> None:
        self.port = port or free_port()
        self.logs = home.parent / f"app-{self.port}"
        self.logs.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={self.port}"]
        with (self.logs / "out").open("wb") as out, (self.logs / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [*command, "--server.headless=true"],
                cwd=PROJECT,
                env=environment(home, **settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return (self.logs / "out").read_text()

    @property
    def err(self) -> str:
        return (self.logs / "err").read_text()

    def ready(self) -> "App":
        """Waits until the app answers, and returns it."""
        wait_for(self.is_healthy, f"{self.port} healthy")
        return self

    def is_healthy(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.err}"
        try:
            return self.get("/_stcore/health") == "ok"
        except OSError:
            return False

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://localhost:{self.port}{path}", timeout=30) as response:
            return str(response.read().decode())

    def tab(self) -> ClientConnection:
        """Opens the connection of a browser tab."""
        return connect(
            f"ws://localhost:{self.port}/_stcore/stream", subprotocols=[Subprotocol("streamlit")], max_size=None
        )

    def page(self) -> list[str]:
        """The texts of headings, paragraphs, buttons and alerts in a new tab, from top to bottom."""
        with self.tab() as tab:
            run = BackMsg()
            run.rerun_script.query_string = ""
            tab.send(run.SerializeToString())
            texts: list[str] = []
            while True:
                message = ForwardMsg.FromString(tab.recv(timeout=30))
                if message.WhichOneof("type") == "script_finished":
                    return texts
                element = message.delta.new_element
                for text in (element.heading.body, element.markdown.body, element.alert.body, element.button.label):
                    if text:
                        # Texts from data are escaped for Markdown.
                        texts.append(text.replace("\\", ""))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code, which is negative for an unhandled signal."""
        self.process.send_signal(number)
        return self.exit_code()

    def exit_code(self) -> int:
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def environment(home: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not re.match("BACKSTITCH_|DATABASE_URL", name)}
    return kept | {"BACKSTITCH_HOME": str(home), "BACKSTITCH_DEMO": "no"} | settings


def run_command(home: Path, *arguments: str) -> "subprocess.CompletedProcess[Any]":
    """Runs `python -m backstitch ARGUMENTS` on `home`."""
    command = [sys.executable, "-m", "backstitch", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment(home), capture_output=True, text=True, timeout=60)
