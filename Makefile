# Two commands matter: `make demo` and `make test`. Both set up all they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
DEMO := .venv/.ready-demo
STAMP := .venv/.ready-test

$(DEMO): pyproject.toml scripts/setup.sh
	bash scripts/setup.sh demo

$(STAMP): pyproject.toml scripts/setup.sh
	bash scripts/setup.sh test

setup: $(STAMP) ## make .venv with every extra, and the Debian packages that the tests use

demo: $(DEMO) ## the main job on embedded defaults: one stay, five documents, DMP, MSSanté, usage report
	.venv/bin/sunes demo --out demo-out

test: $(STAMP) ## the whole suite, short form
	$(PY) -m pytest -n 2 -q --durations=10

lint: $(STAMP) ## mypy --strict and ruff
	$(PY) -m mypy
	$(PY) -m mypy scripts benchmarks examples
	$(PY) -m ruff check src tests benchmarks examples scripts

conformance: $(STAMP) ## official XSD and Schematron over the demo's documents, generated ones and mutations; fails without the kit
	$(PY) scripts/conformance.py

interop: $(STAMP) ## our ITI-41, 18, 43 and 57, and FakeDmp's answers to them, before IPF, built from Maven Central; fails without Java 17 and Maven
	@javac -version 2>&1 | grep -qE '^javac (1[7-9]|[2-9][0-9])' || { echo 'make interop needs a JDK, 17 or later'; exit 1; }
	@command -v mvn > /dev/null || { echo 'make interop needs Maven (mvn)'; exit 1; }
	mvn -B -q -f interop/ipf/pom.xml package
	$(PY) -m pytest -q tests/interop/test_dmp_ipf.py

bench: $(STAMP) ## ratios to the floor, measured in the same run
	$(PY) benchmarks/pipeline.py
	$(PY) benchmarks/cda.py
	$(PY) benchmarks/ins.py
	$(PY) benchmarks/memory.py

docs: $(STAMP) ## the site, in site/
	$(PY) -m pip install -q --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --site-dir site

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.PHONY: setup demo test lint conformance interop bench docs help
