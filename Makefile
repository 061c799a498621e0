# The verbs of this repository. `make help` lists them; CI calls the same ones.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

# A file is one process's, whole and in order. Slow files come first, so that no process ends long after the others.
SHARED = -n auto --dist loadfile --no-loadscope-reorder

# Tests start hundreds of Pythons: each must find our modules compiled, also where the environment forbids that.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-all coverage check format bench walk simulate rounds clean
.SUFFIXES:
.DELETE_ON_ERROR:

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Run the main job on the bundled candles: make run ARGS="--help"
	@$(BIN)/signalpost demo $(ARGS)

test: $(VENV)/installed-dev ## Run the tests on all cores: make test ARGS="-k atr"
	@$(BIN)/python -m pytest $(SHARED) $(ARGS)

test-all: ## Run the tests with more random cases, and kill processes more often
	@TESTS=all $(MAKE) --no-print-directory test

coverage: ## Run the tests, and fail below full branch coverage
	@$(MAKE) --no-print-directory test ARGS="--cov $(ARGS)"

check: $(VENV)/installed-dev ## Check style, types and the direction of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/installed-dev ## Put the code into its usual form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/installed-dev ## Measure what it costs, beside a floor
	@$(BIN)/python -m benchmarks $(ARGS)

walk: $(VENV)/installed-dev ## Count the functions that one signal passes through
	@$(BIN)/python -m benchmarks.walk $(ARGS)

simulate: $(VENV)/installed-dev ## Try the promises in simulated time: make simulate SEEDS=1000 HOURS=24
	@$(BIN)/python -m simulation --seeds $(or $(SEEDS),200) --hours $(or $(HOURS),2) $(ARGS)
	@$(BIN)/python -m simulation --strategies --seeds $(or $(WEEKS),40)

rounds: $(VENV)/installed-dev ## Kill serve while it runs strategies, and compare the signals: make rounds N=200
	@$(BIN)/python -m tests.faults.strategy_rounds --rounds $(or $(N),20) $(ARGS)

clean: ## Remove what make made
	@rm -rf $(VENV) dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@echo "making $(VENV)" >&2
	@tools/make-venv $(VENV) $(PYTHON)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "installing signalpost" >&2
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing signalpost and what its tests need" >&2
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/installed
