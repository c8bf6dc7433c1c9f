# The two commands: `make run` and `make test`. The rest is for developers; CONTRIBUTING.md says when to use which.

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
STAMP := .venv/.installed
STAMP_DEV := .venv/.installed-dev
SUITE := $(BIN)/pytest -n 2 --dist loadgroup -rs

.PHONY: run test test-slow test-all coverage campaigns check lint format bench-audit clean

run: $(STAMP)
	@$(BIN)/python -c 'import socket; socket.create_server(("localhost", $(PORT)))' 2>/dev/null || \
		{ echo "Port $(PORT) is taken; stop what uses it, or choose another: make run PORT=8502"; exit 1; }
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(STAMP_DEV)
	$(SUITE)

# What is too long for `make test`: the slow tests, the database's own tests on the oldest PostgreSQL that is supported
# (one worker: roles belong to the server), the campaigns.
test-slow: $(STAMP_DEV)
	$(SUITE) -m slow
	$(BIN)/python -m bench.campaigns.servers --debian 15 -- $(BIN)/pytest -rs tests/db
	$(MAKE) campaigns

test-all: test test-slow

# The branches of backstitch/ that the tests cover, without those of the browser, whose app is a process of its own.
coverage: $(STAMP_DEV)
	$(SUITE) --cov=backstitch --cov-branch --cov-report=term:skip-covered tests/unit tests/db tests/ui

# The campaigns of docs/campaigns.md with small numbers: that they still run, and find nothing.
campaigns: $(STAMP_DEV)
	$(BIN)/python -m bench.campaigns.random_sql --statements 5000 --every 2500
	$(BIN)/python -m bench.campaigns.pool --transactions 500 --threads 4
	$(BIN)/python -m bench.campaigns.kills --kills 5
	$(BIN)/python -m bench.campaigns.fuzz --inputs 300
	$(BIN)/python -m bench.campaigns.browsers --browsers 5 --writes 25
	$(BIN)/python -m bench.campaigns.drill --scale 0.2
	$(BIN)/python -m bench.campaigns.crowds --searches 10 --exports 10 --records 40000 --seconds 10

# Before each commit: some seconds, less when little has changed since (ruff and mypy keep caches).
check: $(STAMP_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The older name.
lint: check

format: $(STAMP_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Against its peers, which want packages of their own; about 10 minutes on a quiet machine.
bench-audit: bench/.venv/.installed
	bench/.venv/bin/python -m bench.audit_write

clean:
	rm -rf .venv bench/.venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Backstitch needs Python 3.11 or later; set PYTHON to one, e.g. make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "Python cannot make a virtual environment; install its venv module (Debian: python3-venv)."; exit 1; }

$(STAMP): requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(STAMP_DEV): requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $(STAMP) $@

bench/.venv/.installed: requirements.txt bench/requirements.txt
	$(PYTHON) -m venv bench/.venv
	bench/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r bench/requirements.txt
	@touch $@
