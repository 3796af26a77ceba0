# Needs Python 3.11 or later and make; everything else is built into .venv.
.DEFAULT_GOAL := help
.PHONY: help run test suite check format faults soak bench reset lock clean environment jars browser

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; exit; fi; \
	done; echo python3)
BIN := .venv/bin
# Two more workers fill the waits of the other two on two cores.
WORKERS ?= 4
ARGS ?=
# Each worker would compile every test anew, which is half of what collecting them costs.
unexport PYTHONDONTWRITEBYTECODE

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start everything here and send the sample referrals (ARGS="--events postgres" for no Kafka)
	@$(PYTHON) bootstrap.py run
	@$(BIN)/mash up $(ARGS)

test: ## everything that CI runs
	@+$(MAKE) --no-print-directory --jobs 3 check suite

suite: environment jars browser
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: environment ## the fast part: style, types, direction of imports, container files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

format: environment ## lay out the code and repair what can be repaired
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

faults: environment jars ## the long form of the fault tests: kill everything, lose nothing
	@MASH_FAULTS=long $(BIN)/python -m pytest tests/faults -p no:randomly --timeout 1800 $(ARGS)

# The environment may say other bounds.
soak: export MASH_FUZZ_SECONDS ?= 100
soak: export MASH_CROWD_SECONDS ?= 90
soak: export MASH_INTERLEAVINGS ?= 300
soak: export MASH_INTERLEAVINGS_SECONDS ?= 480
soak: environment jars ## half an hour at random: requests (9 times 100 s), a crowd (90 s), 300 lives of cases (480 s)
	@MASH_CROWD=long MASH_FUZZ=long $(BIN)/python -m pytest -m soak -p no:randomly $(ARGS)

bench: environment jars ## measure against the floor and the usual way; prints JSON
	@for bench in ingest drain latency footprint policy backtest queue live matching enrichment; do $(BIN)/python -m bench.$$bench $(ARGS) || exit 1; done

reset: ## remove the data of `make run`
	@$(PYTHON) bootstrap.py run
	@$(BIN)/mash reset $(ARGS)

lock: environment ## resolve the dependencies anew into the hash-locked lists, and Kafka's jars
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export $(EXPORT) --no-default-groups -o requirements-image.lock
	$(BIN)/uv export $(EXPORT) --no-default-groups --group build --extra local --extra policy -o requirements.lock
	$(BIN)/uv export $(EXPORT) --all-groups --all-extras -o requirements-dev.lock
	$(BIN)/python -m sandbox.jars lock
EXPORT := --quiet --frozen --no-header --no-annotate --no-emit-project --format requirements.txt

clean: ## remove the environment, the caches and the data
	rm -rf .venv .mash .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) bootstrap.py dev

jars: environment
	@$(BIN)/python -m sandbox.jars fetch

browser:
	@$(PYTHON) bootstrap.py browser
