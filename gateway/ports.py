"""The ports that a gateway's endpoints have had, in a small file of their own.

Invariant: an endpoint that asked for any port gets the same one in every later life, also when the session store
had to be rebuilt. The file is replaced atomically; one that cannot be read counts as empty.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class Ports:
    """Port by endpoint, kept in ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports: dict[str, int] = {}
        try:
            found = json.loads(path.read_text())
            self._ports = {str(name): int(port) for name, port in found.items() if 0 < int(port) < 65_536}
        except (OSError, ValueError, TypeError, AttributeError):
            pass

    def get(self, name: str) -> int:
        """The port that the endpoint had, 0 when it had none."""
        return self._ports.get(name, 0)

    def set(self, name: str, port: int) -> None:
        """The endpoint has that port from now on."""
        if self._ports.get(name) != port:
            self._ports[name] = port
            self._write()

    def forget(self, name: str) -> None:
        """The endpoint is gone."""
        if self._ports.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            json.dump(self._ports, file)
        os.replace(temporary, self._path)
