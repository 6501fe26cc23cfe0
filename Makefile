# `make help` lists what there is.
PYTHON  ?= python3
WORKERS ?= 2
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
# extra arguments for pip while setting up, e.g. an index of CPU-only torch wheels
PIP_ARGS ?=

export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test slow kernels gpu check golden bench clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

# done once; again when a dependency changes
$(READY): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "archdsl needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

run: $(READY) ## build BiFormer-T from its spec, and prove it
	$(BIN)/archdsl build specs/biformer_t.arch

test: $(READY) ## the fast tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

slow: $(READY) ## the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

kernels: $(READY) ## the kernels without a GPU: interpreted on the CPU, and compiled ahead of time
	TRITON_INTERPRET=1 $(BIN)/python -m pytest -q -n $(WORKERS) tests/kernels/interpreted
	$(BIN)/python -m pytest -q -n $(WORKERS) tests/kernels/ahead

# a machine with a GPU may have an environment of its own: nothing is set up here
gpu: ## the kernels on the GPU that is here, checked and measured, in some minutes; PYTHON names the environment
	@PYTHONPATH=. $(shell test -x $(BIN)/python && echo $(BIN)/python || echo $(PYTHON)) benchmarks/gpu.py

check: $(READY) ## format, lint, types, direction of imports, generated files, specs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m archdsl.lang.grammar --check
	$(BIN)/python -m archdsl.lang.schema_json --check
	$(BIN)/python -m archdsl.schema.registry --check
	$(BIN)/archdsl fmt --check specs search examples
	$(BIN)/archdsl verify --counts --markdown | diff specs/README.md -

golden: $(READY) ## rewrite the golden files; read the difference before committing it
	$(BIN)/python -m pytest -q -n $(WORKERS) --golden tests/cli/test_errors.py
	$(BIN)/python -m pytest -q -n $(WORKERS) --golden tests/kernels/ahead
	git --no-pager diff --stat -- tests/golden

bench: $(READY) ## measure the start-up time, and that of all specs together
	$(BIN)/python benchmarks/check_startup.py
	$(BIN)/python benchmarks/check_specs.py

clean: ## remove what was made: environment, builds, caches
	rm -rf $(VENV) build dist .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
