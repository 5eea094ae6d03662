"""docs/control.md can be typed in from top to bottom: every command of it is carried out, on one exchange.

What the page takes for granted is made here: modules of the user's, files with passwords, and clients that come when a
command is about them.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import pytest

from openoutcry import Exchange, cli
from openoutcry.clients.ouch import OuchClient
from openoutcry.errors import ClientError, LoginRejected

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "docs" / "control.md").read_text()
COMMANDS: Final = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("openoutcry ctl ")
]


class Clients:
    """Those who trade meanwhile. Each method is what has to happen before the commands that begin like its key."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.alice: Future[OuchClient] | None = None
        self.refused: Future[OuchClient] | None = None
        self.before: dict[str, Callable[[], None]] = {
            "logout_session fix": self.tw42,
            "list connections": self.alice_comes,
            "reject_session orders": self.another_comes,
            "next_message orders": self.alice_sends,
        }

    def tw42(self) -> None:
        """A FIX client logs on."""
        names = {"BeginString": "FIX.4.2", "SenderCompID": "TW42", "TargetCompID": "ISLD"}
        self.exchange.fix_client("fix", **names, username="carol", password="sesame")  # it is closed with the exchange

    def alice_comes(self) -> None:
        """A client begins to log on; it is held."""
        self.alice = self._log_on()
        self.exchange.endpoint("orders").wait_for("logon")

    def another_comes(self) -> None:
        """And another."""
        self.refused = self._log_on()

    def alice_sends(self) -> None:
        """Two messages, which are held."""
        for price in ("9.00", "9.01"):
            assert self.alice is not None
            self.alice.result(30).enter("AAPL", "B", 10, price)

    def _log_on(self) -> Future[OuchClient]:
        made = Future[OuchClient]()
        address = self.exchange.endpoint("orders").address

        def log_on() -> None:
            try:
                made.set_result(OuchClient(*address, "alice", "sesame", timeout=30))
            except ClientError as error:
                made.set_exception(error)

        threading.Thread(target=log_on).start()
        return made

    def close(self) -> None:
        """They go."""
        for each in (self.alice, self.refused):
            if each is not None:
                with contextlib.suppress(ClientError):
                    each.result(30).close()


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(ROOT / "examples" / "rfq_engine.py", mine / "engines.py")
    lines = re.search(r"```python\n# mine/lines.py\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)
    assert lines is not None
    (mine / "lines.py").write_text(lines[1])
    for name in ("bob", "carol"):
        (tmp_path / f"{name}.password").write_text("sesame\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("openoutcry.ctl.ask", lambda prompt: "sesame")
    with Exchange(plugins="mine", plugin_path=str(tmp_path)) as made:
        yield made


def test_the_page_can_be_typed_in_from_top_to_bottom(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    clients = Clients(exchange)
    try:
        for line in COMMANDS:
            verb, *rest = shlex.split(line, comments=True)[2:]
            what = " ".join([verb, *rest])
            for beginning in [key for key in clients.before if what.startswith(key)]:
                clients.before.pop(beginning)()
            free = [word for word in rest if not word.startswith("port=")]  # the page's may be in use here
            code = cli.main(["ctl", "--directory", str(exchange.directory), verb, *free])
            said = capsys.readouterr()
            assert (code, said.err) == (0, ""), f"{line}: {said.err}"
        assert not clients.before, "the page has no command about these"
        assert clients.refused is not None
        with pytest.raises(LoginRejected):
            clients.refused.result(30)
    finally:
        clients.close()
