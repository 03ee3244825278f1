# `make` alone lists the targets. Each does its own set-up in .venv; that takes about a minute once, and nothing afterwards.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# What the demo and the tests run on. `pcsc` is for the tests alone: on Linux it must be compiled, and where that cannot be
# done they skip what needs it.
EXTRAS := ble,nfc,qr,issuer,cli,sim
NO_PYSCARD = "No pyscard, see $(VENV)/pyscard.log: the tests of PC/SC will be skipped. To run them: apt-get install" \
  "gcc libpcsclite-dev python3-dev pcscd vsmartcard-vpcd, then make clean"
# The interpreter for .venv, for example `make test PYTHON=/opt/python3.12/bin/python3`.
PYTHON ?=
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3)

RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev
FUZZ := $(VENV)/.stamp-fuzz
BENCH := $(VENV)/.stamp-bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check lint types imports docs unit cover bench fuzz soak fmt setup clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## Pair a simulated device and open its page over HTTPS (options: ARGS="--json")
	@$(BIN)/oob demo $(ARGS)

test: check docs unit ## Everything that CI wants: check, docs, unit

check: lint types imports ## Lint, types and layers

lint: $(DEV) ## Style, spelling, dependencies
	@echo "== lint" && $(BIN)/ruff check && $(BIN)/ruff format --check --quiet
	@$(BIN)/codespell && $(BIN)/deptry .

types: $(DEV) ## Static types
	@echo "== types" && $(BIN)/python -m mypy

imports: $(DEV) ## The layers
	@echo "== imports" && $(BIN)/lint-imports --no-logo

docs: $(DEV) ## Build the documentation into docs/_build/html
	@echo "== docs" && $(BIN)/python -m sphinx -n -W --keep-going -q -b html docs docs/_build/html

unit: $(DEV) ## Only the tests (options: ARGS="tests/cose -x")
	@echo "== tests" && $(BIN)/python -m pytest -q $(ARGS)

cover: $(DEV) ## The tests with branch coverage
	@$(BIN)/python -m pytest -q --cov --cov-report=term $(ARGS)

bench: $(BENCH) ## Figures: handshake, pairing, radio, nfc
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(FUZZ) ## Fuzz every decoder for a bounded time (options: ARGS="--seconds 60")
	@$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(DEV) ## Pair 10,000 times in memory in each model: no refusal (options: ARGS="--runs 100 --seed 2")
	@$(BIN)/python -m tests.soak $(ARGS)

fmt: $(DEV) ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet && $(BIN)/ruff format

setup: $(DEV) ## Only make .venv, with the developers' tools

clean: ## Remove .venv and all that was built
	rm -rf $(VENV) build dist docs/_build htmlcov .coverage* .grimp_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find oob tests examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

# A python that cannot run (a dangling link, a pyenv shim), is too old or has no venv is passed over; then the error names the remedy.
$(BIN)/python:
	@for python in $(CANDIDATES); do \
	  "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  echo "Making $(VENV) with $$("$$python" --version)" >&2; \
	  exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "No Python >= 3.11 with venv among: $(CANDIDATES)" >&2; \
	echo "Install one (Debian, Ubuntu: apt-get install python3-venv; Fedora: dnf install python3; macOS: brew install python)," >&2; \
	echo "or name yours: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(RUNTIME): pyproject.toml $(BIN)/python
	@echo "Installing oob[$(EXTRAS)] into $(VENV) (once; about a minute)" >&2
	@$(PIP) install --prefer-binary -e '.[$(EXTRAS)]' >&2
	@touch $@

# `--group` needs pip 25.1; Python 3.11 and 3.12 bring an older one.
$(DEV): $(RUNTIME)
	@echo "Installing the developers' tools into $(VENV) (once; about a minute)" >&2
	@$(PIP) install --upgrade 'pip>=25.1' >&2
	@$(PIP) install --prefer-binary --group dev >&2
	@$(PIP) install --prefer-binary -e '.[pcsc]' >$(VENV)/pyscard.log 2>&1 || echo $(NO_PYSCARD) >&2
	@touch $@

$(FUZZ): $(DEV)
	@echo "Installing the fuzzer into $(VENV) (once)" >&2
	@$(PIP) install --prefer-binary --group fuzz >&2
	@touch $@

$(BENCH): $(DEV)
	@echo "Installing what draws figures into $(VENV) (once)" >&2
	@$(PIP) install --prefer-binary --group bench >&2
	@touch $@
