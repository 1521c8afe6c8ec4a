# Two commands do everything: `make run` starts the product, `make test` proves it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run setup test check bench chaos lock clean

help:
	@echo "make run     set up what is missing, start web, worker and this node's sensor"
	@echo "make setup   only the first half of make run"
	@echo "make test    lint, types, contracts and the whole test suite on SQLite and on PostgreSQL"
	@echo "make check   lint, types and contracts only"
	@echo "make bench   measure; figures are printed as: name value unit"
	@echo "make chaos   kill -9 of every part at random under load for five minutes; fails where anything was lost"
	@echo "make lock    resolve requirements/*.txt anew from pyproject.toml"

run: setup
	@exec $(BIN)/python manage.py run

setup: $(VENV)/server
	@deploy/packages.sh python3-bpfcc || echo "without python3-bpfcc the sensor replays recorded events instead of reading the kernel"

test: $(VENV)/dev
	@deploy/packages.sh python3-bpfcc postgresql redis-server nats-server chromium
	@exec $(BIN)/python -m tests

check: $(VENV)/dev
	@exec $(BIN)/python -m tests --only checks

bench: $(VENV)/dev
	@deploy/packages.sh python3-bpfcc postgresql
	@exec $(BIN)/python -m tests.bench

chaos: $(VENV)/dev
	@deploy/packages.sh postgresql redis-server
	@exec $(BIN)/python -m tests.chaos

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another: make PYTHON=python3.12 run" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || deploy/packages.sh python3-venv
	@echo "creating the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/server: requirements/server.txt | $(VENV)/pyvenv.cfg
	@echo "installing the dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/dev: requirements/dev.txt | $(VENV)/pyvenv.cfg
	@echo "installing the dependencies and the test tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ $(VENV)/server

lock: $(VENV)/dev
	@for target in "sensor" "server --extra server" "dev --extra server --extra kafka --group dev"; do \
		set -- $$target; name=$$1; shift; \
		$(BIN)/uv pip compile --quiet pyproject.toml "$$@" --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --output-file requirements/$$name.txt; \
	done

clean:
	rm -rf $(VENV) build staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis
