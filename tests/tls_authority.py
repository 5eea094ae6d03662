"""Certificates for tests of TLS, made by the ``openssl`` command: an authority of our own, servers' and clients'."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Pair(NamedTuple):
    """PEM files."""

    certificate: str
    key: str


class Authority:
    """An authority in `directory`; ``ca`` is the file that verifies what it issues."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl command to make certificates with")
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = str(directory / "ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip

    def issue(self, name: str) -> Pair:
        """A certificate for a server or client of that name; localhost has the address 127.0.0.1, too."""
        subject = f"DNS:{name}" + (",IP:127.0.0.1" if name == "localhost" else "")
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={subject}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip
        return Pair(str(self.directory / f"{name}.pem"), str(self.directory / f"{name}.key"))

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)
