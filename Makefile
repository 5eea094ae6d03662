# Open Outcry. `make run` and `make test` each work alone on a fresh machine with git, make and python3 >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4

.PHONY: help run test check bench clean compiled test-compiled interpreted fuzz bench-rows
help:
	@echo "make run      start a cluster, drive a live market through it and show it (ARGS='--duration 20 --json')"
	@echo "make test     run the tests (ARGS='-k word')"
	@echo "make check    lint, format check and type check"
	@echo "make bench    the benchmarks of docs/benchmarks.md"
	@echo "make clean    remove what the above made"
	@echo "make compiled       compile the hot modules with mypyc into build/compiled (a C compiler is needed)"
	@echo "make test-compiled  the tests against that (ARGS as for test)"
	@echo "make interpreted    remove build/compiled"
	@echo "make fuzz           random markets against the second implementation, for a while (ARGS='--minutes 5')"
	@echo "make bench-rows     the rows of the book, interpreted and compiled (ARGS='--quick')"

run: $(VENV)/.run
	@$(BIN)/openoutcry demo $(ARGS)

test: $(VENV)/.test
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	@$(BIN)/python -m bench $(ARGS)

# The compiled package is a copy in build/compiled, which nothing uses unless it is in PYTHONPATH: `make test` and what is
# installed in $(VENV) stay interpreted. It is made anew when a source is newer.
COMPILED := build/compiled
SOURCES := $(wildcard openoutcry/*.py openoutcry/*/*.py bench/turns.py) setup.py setup.cfg pyproject.toml
BESIDE := tests docs examples conf README.md ARCHITECTURE.md CHANGELOG.md Makefile setup.cfg setup.py pyproject.toml

compiled: $(COMPILED)/.built
	@echo "compiled: PYTHONPATH=$(CURDIR)/$(COMPILED) $(BIN)/openoutcry ..."

$(COMPILED)/.built: $(VENV)/.test $(SOURCES)
	@$(BIN)/python -c 'import setuptools' 2>/dev/null || $(call PIP,'setuptools>=70')
	@echo "compiling into $(COMPILED) (about a minute) ..."
	@OPENOUTCRY_COMPILE=bench $(BIN)/python setup.py -q build_ext --build-lib $(COMPILED) --build-temp build/temp
	@touch $@

interpreted:
	rm -rf $(COMPILED) build/temp build/openoutcry build/__native*

# What the tests and the benchmarks look at is copied beside the package, so that no path leads back to the source.
beside: $(COMPILED)/.built
	@for each in $(BESIDE); do rm -rf $(COMPILED)/$$each; cp -rL $$each $(COMPILED)/$$each || exit 1; done
	@cp bench/*.py $(COMPILED)/bench/
.PHONY: beside

test-compiled: beside
	@cd $(COMPILED) && PYTHONPATH=$(CURDIR)/$(COMPILED) $(CURDIR)/$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

fuzz: $(VENV)/.test
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench-rows: beside
	@$(BIN)/python -m bench.rows --compiled $(COMPILED) $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Debian splits ensurepip off into python3-venv: without it, an environment without pip is filled from outside.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed (make PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@touch $@

INSTALL = if [ -x $(BIN)/pip ]; then $(BIN)/python -m pip $(PIPFLAGS) install -e $(1); else $(PYTHON) -m pip --python $(BIN)/python $(PIPFLAGS) install -e $(1); fi
PIP = if [ -x $(BIN)/pip ]; then $(BIN)/python -m pip $(PIPFLAGS) install $(1); else $(PYTHON) -m pip --python $(BIN)/python $(PIPFLAGS) install $(1); fi
PIPFLAGS := --quiet --disable-pip-version-check
# As pip does for what it copies: the first exchange of a process starts in less than half the time. compileall does not
# follow the links to the parts, so they are named; a tree that cannot be written to works without.
BYTECODE = $(BIN)/python -m compileall -q openoutcry $(wildcard openoutcry/*/) || true

# uvloop (the extra "fast") has no build for every platform; everything works without it.
$(VENV)/.run: $(VENV)/.python setup.cfg setup.py pyproject.toml
	@echo "installing into $(VENV) ..."
	@{ $(call INSTALL,'.[fast]'); } || { $(call INSTALL,.); }
	@$(BYTECODE)
	@touch $@

$(VENV)/.test: $(VENV)/.python setup.cfg setup.py pyproject.toml
	@echo "installing into $(VENV), with what the tests need ..."
	@{ $(call INSTALL,'.[fast$(COMMA)test$(COMMA)lint]'); } || { $(call INSTALL,'.[test$(COMMA)lint]'); }
	@$(BYTECODE)
	@touch $@ $(VENV)/.run
COMMA := ,
