# Every target sets up what it needs; nothing happens where that is fresh.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo broker run test test-all bench check format train evaluate settings lock clean
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/opt/homebrew/sbin

help: ## List these targets
	@printf '\nAn MQTT bridge that answers texts with spam verdicts.\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36mmake %-9s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  make demo KEEP=1 stays in the foreground until Ctrl-C.'
	@printf '\n  make demo CASSANDRA=1 has a real Cassandra, and a second bridge that learns from it.\n\n'

setup: ## Build .venv; the commands are in .venv/bin
	@scripts/setup development

demo: ## Show the whole path working: broker, bridge, devices (KEEP=1, CASSANDRA=1)
	@scripts/setup serving
	@scripts/broker ensure
	@.venv/bin/bridge demo $(if $(filter-out 0,$(KEEP)),--keep) $(if $(filter-out 0,$(CASSANDRA)),--cassandra)

broker: ## Run Mosquitto in the foreground, on loopback
	@scripts/broker run

run: ## Run the bridge in the foreground, with the settings of .env
	@scripts/setup serving
	@.venv/bin/bridge run

test: setup ## Run the tests, with a real Mosquitto and Cassandra, and a small training
	@scripts/broker ensure
	@$(TEST_TRAINING) -m 'not slow'
	@.venv/bin/pytest -m 'not slow' --ignore tests/training

test-all: setup ## Run the slow suites as well
	@scripts/broker ensure
	@$(TEST_TRAINING)
	@.venv/bin/pytest --ignore tests/training

# From data to bundle on a few texts, in the environment that has TensorFlow.
TEST_TRAINING = scripts/setup training && .venv-training/bin/python -m pytest --confcutdir tests/training tests/training

bench: setup ## Measure the path against a bare echo; writes docs/benchmarks.md
	@scripts/broker ensure
	@scripts/setup training
	@.venv/bin/python -m tests.bench

check: setup ## Formatting, lint, types, import rules
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: setup ## Put the code into shape
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

train: ## Train the shipped model again and export its bundle
	@scripts/setup training
	@.venv-training/bin/python -m training prepare
	@.venv-training/bin/python -m training train
	@.venv-training/bin/python -m training export

evaluate: ## Judge the model on grouped folds; writes the report
	@scripts/setup training
	@.venv-training/bin/python -m training evaluate

settings: setup ## Write the settings into README.md and .env.example
	@.venv/bin/python scripts/document_settings.py

lock: ## Resolve the requirements again and write their hashes
	@scripts/lock

clean: ## Remove environments and caches; var/ (journal, broker) stays
	rm -rf .venv .venv-training .uv .cache .pytest_cache .ruff_cache .mypy_cache .hypothesis \
		.import_linter_cache build ./*.egg-info
