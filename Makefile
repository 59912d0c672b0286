.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
FUZZ ?= 20000
PYTHON_HERE := $(VENV)/bin/python
# Setup compiles on all cores what pip would on one; a few packages hold templates that do not compile.
# What is ours is compiled when it first runs, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check --no-compile
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(PYTHON_HERE) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) $$(grep ^pip== requirements.lock)
	$(INSTALL) $(TORCH)
	$(INSTALL) --no-deps -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	$(PYTHON_HERE) -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || true
	touch $@

.PHONY: setup
setup: $(VENV)/.ready ## install everything into .venv

.PHONY: repro
repro: setup ## pull the release, derive what is missing or changed, say where the report is
	automind-data validate params.yaml
	dvc remote modify --local embedded url "$(CURDIR)/.dvc-sample"
	dvc pull --quiet --allow-missing
	dvc repro
	@echo "Report: $(CURDIR)/derived/report/index.html"

.PHONY: test
test: setup ## run every test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON_HERE) -m pytest -n auto --dist worksteal

.PHONY: fuzz
fuzz: setup ## feed the readers with broken input for a long time (FUZZ=inputs per test)
	FUZZ=$(FUZZ) $(PYTHON_HERE) -m pytest -n 0 tests/fuzz

.PHONY: lint
lint: setup ## check style and types
	ruff check .
	ruff format --check .
	mypy

.PHONY: bench
bench: setup ## measure what the README quotes
	@for each in $(filter-out benchmarks/make_%,$(wildcard benchmarks/*.py)); do $(PYTHON_HERE) $$each || exit 1; done

.PHONY: proof
proof: setup ## print how exact density estimators and samples are: the golden and the attestation table
	$(PYTHON_HERE) -m tests.dgm.exactness

.PHONY: docs
docs: setup ## make the data dictionary, the list of checks and the Croissant metadata again
	$(PYTHON_HERE) -m automind_data.contracts.dictionary

.PHONY: baseline
baseline: setup ## compare the next release with the one at REV, a commit
	$(PYTHON_HERE) -m automind_data.contracts.baseline $(REV)

.PHONY: embed
embed: setup ## rewrite .dvc-sample/ to what HEAD and datasets/RELEASES.md reach (EMBED=--working-tree: and what is not committed yet)
	$(PYTHON_HERE) -m automind_data.embed $(EMBED)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' Makefile
	@echo 'TORCH="torch==2.13.0 --index-url URL" takes another build of torch, such as a CPU one.'

.PHONY: diagram
diagram: setup ## draw the pipeline in README.md again
	$(PYTHON_HERE) -m automind_data.diagram
