"""The metadata is in setup.cfg; this file is for compiling. With OPENOUTCRY_COMPILE=1 in the environment

    OPENOUTCRY_COMPILE=1 python -m build --wheel                        a wheel whose hot modules are compiled
    OPENOUTCRY_COMPILE=bench python setup.py build_ext --build-lib DIR  what ``make compiled`` does

compile the modules of openoutcry.compiled with mypyc ("bench": and the innermost loop of the benchmarks). They are
compiled in a copy of the package (STAGE) in which the folders are folders: in the repository openoutcry/matcher and
others are symbolic links, and mypyc would call a module by the folder that a link leads to. A C compiler is needed.
Without the variable everything is pure Python.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from setuptools import Distribution, Extension, find_packages, setup

COMPILE = os.environ.get("OPENOUTCRY_COMPILE", "0")
STAGE = "build/compiled"
PACKAGE = "openoutcry"
BENCH = ("bench.turns",)
BUILD = ["mypy[mypyc]>=2.4", "librt", "mypy_extensions"]


def stage() -> None:
    """Copy the package to STAGE, links followed; what the copy has is only replaced where it differs."""
    facts = runpy.run_path(f"{PACKAGE}/compiled.py")
    native = {path_of(module): path_of(source) for module, source in facts["NATIVE"].items()}
    for top in (PACKAGE, "bench") if COMPILE == "bench" else (PACKAGE,):
        for folder, folders, files in os.walk(top, followlinks=True):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in files:
                path = os.path.join(folder, name)
                target = os.path.join(STAGE, path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                replace(native.get(path, path), target)


def path_of(module: str) -> str:
    """The source of a module."""
    return module.replace(".", "/") + ".py"


def replace(source: str, target: str) -> None:
    """Copy a file, unless it is there already: an unchanged file keeps its time, and is not compiled again."""
    data = Path(source).read_bytes()
    if not os.path.exists(target) or Path(target).read_bytes() != data:
        Path(target).write_bytes(data)


def extensions() -> list[Extension]:
    """The extension modules. Ends the process with a message when they cannot be built here."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    if shutil.which(compiler) is None:
        sys.exit(
            f"compiling needs a C compiler, and there is no {compiler!r} here (Debian: apt install build-essential)"
        )
    if not headers.exists():
        sys.exit(f"compiling needs Python's C headers, and there is no {headers} (Debian: apt install python3-dev)")
    try:
        from mypyc.build import mypycify
    except ImportError:
        sys.exit(f"compiling needs mypyc: pip install '{BUILD[0]}'")
    stage()
    os.environ["MYPYPATH"] = STAGE
    hot = [*runpy.run_path(f"{PACKAGE}/compiled.py")["HOT"], *(BENCH if COMPILE == "bench" else ())]
    sources = [f"{STAGE}/{path_of(module)}" for module in hot]
    # Where wheels are built, what the package imports is not installed.
    found: list[Extension] = mypycify(
        ["--ignore-missing-imports", *sources], group_name=PACKAGE, opt_level="3", debug_level="0"
    )
    for extension in found:
        # Functions of a module may be inlined in others of it: nobody replaces them from outside.
        extension.extra_compile_args += ["-fvisibility=hidden", "-fno-semantic-interposition"]
    return found


def runtime() -> list[str]:
    """What compiled code needs when it runs: at least what it was compiled with."""
    try:
        return [f"{name}>={version(name)}" for name in ("librt", "mypy_extensions")]
    except PackageNotFoundError:  # asked what is needed to build, before it is there
        return []


class Compiled(Distribution):
    """The package of STAGE, with its extension modules, unless it is only asked for its metadata."""

    def parse_config_files(self, *arguments: Any, **named: Any) -> None:
        """What setup.cfg says, and what is different in the compiled package."""
        super().parse_config_files(*arguments, **named)
        self.install_requires = [*self.install_requires, *runtime()]
        self._finalize_requires()  # setuptools has taken over what setup.cfg says already
        if not {"egg_info", "dist_info"}.intersection(sys.argv):
            self.ext_modules = extensions()
            self.package_dir = {"": STAGE}
            self.packages = find_packages(STAGE, include=[f"{PACKAGE}*"])


if COMPILE in ("", "0"):
    setup()
else:
    setup(distclass=Compiled, setup_requires=BUILD if {"egg_info", "dist_info"}.intersection(sys.argv) else [])
