# The verbs of the repository. PYTHON may name another interpreter: make check PYTHON=.venv/bin/python
PYTHON ?= $(shell test -x .venv/bin/python && echo .venv/bin/python || echo python3)
BIN = $(PYTHON) -m

.PHONY: help check test bench faults

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

check: ## ruff, mypy strict, import contracts, the house rules, the documents' code blocks
	$(BIN) ruff check .
	$(BIN) ruff format --check .
	$(BIN) mypy -p agent_etl
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
	$(BIN) pytest -q -p no:randomly tests/test_house.py tests/test_docs.py

test: ## every test
	$(BIN) pytest

bench: ## throughput and memory, as ratios to bare scripts measured in the same run
	$(PYTHON) benchmarks/run.py

faults: ## the long crash loop: kill -9 at random moments, resume, compare with one clean run
	$(PYTHON) tests/faults/loop.py
