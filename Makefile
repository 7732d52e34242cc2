SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DESK_HOME ?= var
HOME_STAMP := $(DESK_HOME)/.prepared

export HF_HUB_OFFLINE ?= 1
export LITELLM_LOCAL_MODEL_COST_MAP ?= True
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.PHONY: run test lint bench evals screenshots slow clean

run: $(HOME_STAMP)  ## set up and start the desk with the sample store on 127.0.0.1:8000
	@$(BIN)/desk serve

test: $(STAMP)  ## set up and run the tests
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

slow: $(STAMP)  ## checks that take longer: browser, full crash loop, simulated case-days
	@$(BIN)/python -m pytest -m slow

lint: $(STAMP)  ## format, lint, types and import contracts
	@$(BIN)/ruff format --check agent retrieval evals api tests
	@$(BIN)/ruff check agent retrieval evals api tests
	@$(BIN)/pyright
	@$(BIN)/lint-imports

bench: $(STAMP)  ## speed of drafting and retrieval against a bare encoding, of the serving process, of a burst of webhooks, of the sweep
	@$(BIN)/python -m evals.bench
	@$(BIN)/python -m retrieval.bench --size 10000 100000
	@$(BIN)/python -m api.bench
	@$(BIN)/python -m api.hooks_bench
	@$(BIN)/python -m api.sweep_bench
	@$(BIN)/python -m api.pages_bench

evals: $(STAMP)  ## the stored cases on the engine without a model, the written model answers, and mutants of good answers
	@$(BIN)/desk eval run
	@$(BIN)/desk eval run --tier replay
	@$(BIN)/python -m evals.mutants
	@$(BIN)/python -m evals.weaken

screenshots: $(STAMP)  ## pictures of queue and case for the README
	@SCREENSHOTS=1 $(BIN)/python -m pytest -m slow tests/browser -k screenshots

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11."; exit 2; }
	@echo "Setting up $(VENV) (several minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --progress-bar off -r requirements.lock 2>&1 | { grep --line-buffered -E '^(Collecting|Installing|Successfully|ERROR)' || true; } | cut -c1-110
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@$(BIN)/python -m pip check >/dev/null || echo "Note: pip check reports a conflict; see $(BIN)/pip check."
	@touch $@

# The classifier learns from these files, which takes minutes; afterwards a start takes seconds.
$(HOME_STAMP): $(STAMP) $(wildcard prompts/pack/* prompts/starter/* prompts/sample_store/*.* prompts/sample_store/*/*)
	@echo "Preparing $(DESK_HOME) (a few minutes the first time) ..."
	@$(BIN)/desk prepare
	@touch $@

clean:  ## remove the environment and everything that the desk keeps
	rm -rf $(VENV) var
