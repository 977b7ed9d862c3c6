# Every target first sets up what it needs: `git clone ... && make demo` is all there is to type.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check bench

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(READY)  ## .venv with everything that the other targets use

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[training,test,check]'
	@touch $@

demo: $(READY)  ## the two documented curl requests, answered here; pictures in demo-output/
	$(BIN)/python examples/demo.py

serve: $(READY)  ## the server on 127.0.0.1:8770 until Ctrl-C
	$(BIN)/alpenglow serve

test: $(READY)  ## all tests
	$(BIN)/python -m pytest

check: $(READY)  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)  ## seconds a picture over HTTP, time to ready, peak memory
	$(BIN)/python bench/latency.py
