# One virtual environment, .venv, holds everything; the first target that needs it makes it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
LOCKS := requirements-uv.txt requirements-dev.txt
DISTRIBUTIONS := protos gateway connector-svc transform-svc anonymizer-svc
# How many processes run the tests: many wait for servers rather than compute, yet each process has servers of its own.
WORKERS ?= 2
MAKEFLAGS += --no-print-directory
# What writes the pages of docs/reference; with --check it compares them.
PAGES := $(subst /,.,$(basename $(filter-out %/render.py,$(wildcard tools/reference/*.py))))
.DEFAULT_GOAL := help

.PHONY: help
help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): $(LOCKS) $(DISTRIBUTIONS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11; name another: make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e ./%)
	@touch $@

.PHONY: demo
demo: $(INSTALLED) ## copy a database scrubbed, from nothing, and look at what came out
	@$(BIN)/elute demo

.PHONY: up
up: $(INSTALLED) ## run the whole system on this machine
	@$(BIN)/elute up

.PHONY: test
test: $(INSTALLED) ## run the tests on embedded servers and print their coverage (no slow ones)
	@mkdir -p build
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m "not slow" --cov --cov-report=term:skip-covered --cov-report=json:build/coverage.json

CHECKS := check-style check-types check-layers check-protos check-sizes check-links check-locks check-paths check-dependencies check-reference

.PHONY: check $(CHECKS)
check: $(INSTALLED) ## lint, type-check and prove the architecture; writes nothing
	@$(MAKE) --keep-going $(CHECKS)
check-style:
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
check-types:
	$(BIN)/mypy
check-layers:
	$(BIN)/lint-imports --no-logo
check-protos:
	$(BIN)/python -m tools.protos --check
	$(BIN)/python -m tools.check_protos
check-reference:
	@for page in $(PAGES); do $(BIN)/python -m $$page --check || stale=1; done; exit $${stale:-0}
check-sizes check-links check-locks check-paths check-dependencies: check-%:
	$(BIN)/python -m tools.check_$*

.PHONY: fmt
fmt: $(INSTALLED) ## rewrite the sources as `check` wants them
	$(BIN)/ruff check --quiet --fix
	$(BIN)/ruff format --quiet

.PHONY: protos
protos: $(INSTALLED) ## generate the stubs of the wire contract
	$(BIN)/python -m tools.protos

.PHONY: reference
reference: $(INSTALLED) ## write the reference pages anew from the code
	@for page in $(PAGES); do $(BIN)/python -m $$page || exit 1; done

.PHONY: lock
lock: $(INSTALLED) ## pin the newest versions that requirements*.in allow, with hashes
	@for name in requirements-uv requirements requirements-dev; do \
		echo "locking $$name.txt"; \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-header --no-emit-find-links --no-emit-index-url $$name.in -o $$name.txt || exit 1; \
	done
	$(BIN)/python -m tools.check_locks

.PHONY: audit
audit: $(INSTALLED) ## look for known vulnerabilities of the pinned packages
	$(BIN)/python -m tools.audit

.PHONY: bench
bench: $(INSTALLED) ## measure the system against psql, for half an hour; figures go to build/bench/latest.json
	$(BIN)/python -m tests.bench

.PHONY: chaos
chaos: $(INSTALLED) ## kill the system KILLS times (20) while it works; findings go to build/chaos/latest.json
	$(BIN)/python -m tests.chaos

.PHONY: ci
ci: $(INSTALLED) ## everything that CI runs, each stage timed
	$(BIN)/python -m tools.ci

.PHONY: clean
clean: ## remove what was built, the virtual environment too
	rm -rf .venv build .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
