.DEFAULT_GOAL := help
PYTHON ?= python3

.PHONY: help check lint types test format ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: lint types test ## what CI runs, in the Python at hand

lint: ## ruff: mistakes and style
	$(PYTHON) -m ruff check .

types: ## mypy: types of the package
	$(PYTHON) -m mypy

test: ## pytest: all tests
	$(PYTHON) -m pytest

format: ## ruff: repair what it can
	$(PYTHON) -m ruff check --fix .

ci: ## the whole of CI, in fresh virtual environments
	.ci/run

clean: ## remove what building and testing leave behind
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .venv .venv-test
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
