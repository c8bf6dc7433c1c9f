# The two commands: `make run` and `make test`. The rest is for developers.

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
STAMP := .venv/.installed
STAMP_DEV := .venv/.installed-dev

.PHONY: run test test-all lint format bench-audit clean

run: $(STAMP)
	@$(BIN)/python -c 'import socket; socket.create_server(("localhost", $(PORT)))' 2>/dev/null || \
		{ echo "Port $(PORT) is taken; stop what uses it, or choose another: make run PORT=8502"; exit 1; }
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(STAMP_DEV)
	$(BIN)/pytest -n 2 --dist loadgroup -rs

# The slow tests too: some minutes more.
test-all: $(STAMP_DEV)
	$(BIN)/pytest -n 2 --dist loadgroup -rs -m ""

lint: $(STAMP_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Against its peers, which want packages of their own; about 10 minutes on a quiet machine.
bench-audit: bench/.venv/.installed
	bench/.venv/bin/python -m bench.audit_write

clean:
	rm -rf .venv bench/.venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

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
