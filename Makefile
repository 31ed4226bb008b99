# Two commands matter: `make demo` and `make test`. Both install what they need into .venv.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
CONTRACTS := fixtures/targets/amodels/contract.yaml fixtures/targets/sum/contract.yaml
HAS_COMPILER := $(shell command -v cc || command -v gcc || command -v clang)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo test check prove bench wheel clean help

help: ## what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /: /'

demo: $(VENV)/.demo ## verify the two reference contracts
	$(BIN)/stormproof verify $(CONTRACTS)

test: $(VENV)/.dev ## all tests
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

prove: $(VENV)/.dev ## the proofs that take long; the tests run a sample of them
	$(BIN)/python -m tests.prove

bench: $(VENV)/.dev ## the figures, as ratios where there is something to compare
	$(BIN)/python -m tests.bench

wheel: $(VENV)/.dev ## dist/*.whl, with the held clock built for x86-64 and arm64, tried in a fresh environment
	$(PIP) ziglang build hatchling
	rm -rf build dist
	mkdir -p build/source
	git ls-files -z | xargs -0 cp --parents --target-directory=build/source
	$(BIN)/python -m harness.clock.prebuild build/source/harness/clock/prebuilt
	$(BIN)/python -m build --wheel --no-isolation --outdir dist build/source
	$(BIN)/python -m tests.wheel dist/*.whl

clean: ## remove what the other targets made here
	rm -rf $(VENV) stormproof-report build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing. On Debian or Ubuntu: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Without a C compiler the extra that brings one as a wheel is tried; without that too, the clock is real.
$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV); the first time this takes a minute"
	$(PIP) -e '.[targets]'
ifeq ($(HAS_COMPILER),)
	$(PIP) -e '.[targets,compiler]' || echo "no C compiler, and none as a wheel: the demo runs on the real clock"
endif
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV); the first time this takes a minute"
	$(PIP) -e '.[dev]'
ifeq ($(HAS_COMPILER),)
	$(PIP) -e '.[dev,compiler]' || echo "no C compiler, and none as a wheel: tests of the held clock are skipped"
endif
	@touch $@
