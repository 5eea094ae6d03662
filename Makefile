# Open Outcry. `make run` and `make test` each work alone on a fresh machine with git, make and python3 >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4

.PHONY: help run test check bench clean
help:
	@echo "make run      start a cluster, drive a live market through it and show it (ARGS='--duration 20 --json')"
	@echo "make test     run the tests (ARGS='-k word')"
	@echo "make check    lint, format check and type check"
	@echo "make bench    the benchmarks of docs/benchmarks.md"
	@echo "make clean    remove what the above made"

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

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Debian splits ensurepip off into python3-venv: without it, an environment without pip is filled from outside.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed (make PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@touch $@

INSTALL = if [ -x $(BIN)/pip ]; then $(BIN)/python -m pip $(PIPFLAGS) install -e $(1); else $(PYTHON) -m pip --python $(BIN)/python $(PIPFLAGS) install -e $(1); fi
PIPFLAGS := --quiet --disable-pip-version-check

# uvloop (the extra "fast") has no build for every platform; everything works without it.
$(VENV)/.run: $(VENV)/.python setup.cfg setup.py pyproject.toml
	@echo "installing into $(VENV) ..."
	@{ $(call INSTALL,'.[fast]'); } || { $(call INSTALL,.); }
	@touch $@

$(VENV)/.test: $(VENV)/.python setup.cfg setup.py pyproject.toml
	@echo "installing into $(VENV), with what the tests need ..."
	@{ $(call INSTALL,'.[fast$(COMMA)test$(COMMA)lint]'); } || { $(call INSTALL,'.[test$(COMMA)lint]'); }
	@touch $@ $(VENV)/.run
COMMA := ,
