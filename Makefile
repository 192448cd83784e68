# The two commands of the README: `make demo` and `make test`. Each makes what it needs; a new machine has only Python and make.
PYTHON ?= python3
VENV ?= .venv
TEST_VENV ?= .venv-test
# Processes of a test run: one more than the two cores that it is measured on, as tests wait for servers and programs a fifth of the time.
TEST_PROCESSES ?= 3
RUN_TESTS = $(TEST_VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -q

.PHONY: help demo test test-all lint bench clean
help:
	@echo "make demo      install into $(VENV) and run the main job on real data"
	@echo "make test      install into $(TEST_VENV) and run the test suite"
	@echo "make test-all  the same with the long proofs"
	@echo "make lint      ruff, mypy, import-linter"
	@echo "make bench     the benchmarks that take minutes, not hours"

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable .
	touch $@

$(TEST_VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(TEST_VENV)
	$(TEST_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(TEST_VENV)/bin/python -m pip install --quiet --editable . --group test --group lint
	touch $@

demo: $(VENV)/.installed
	$(VENV)/bin/python examples/demo.py

test: $(TEST_VENV)/.installed
	tests/install-services
	$(RUN_TESTS) -m "not slow"

test-all: $(TEST_VENV)/.installed
	tests/install-services
	$(RUN_TESTS) --hypothesis-profile=search

lint: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/ruff check .
	$(TEST_VENV)/bin/ruff format --check .
	$(TEST_VENV)/bin/mypy
	$(TEST_VENV)/bin/lint-imports

bench: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/python benchmarks/startup.py
	$(TEST_VENV)/bin/python benchmarks/serving/run.py
	$(TEST_VENV)/bin/python benchmarks/monitoring/alarms.py

clean:
	rm -rf $(VENV) $(TEST_VENV) demo-project build dist
