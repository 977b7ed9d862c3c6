# Every target first sets up what it needs: `git clone ... && make demo` is all there is to type.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test chromium check bench docs screenshots

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

setup: $(READY)  ## .venv with everything that the other targets use

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[training,test,check]'
	@touch $@

demo: $(READY)  ## the two documented curl requests, answered here; pictures in demo-output/
	$(BIN)/python examples/demo.py

serve: $(READY)  ## the server on 127.0.0.1:8770 until Ctrl-C
	$(BIN)/alpenglow serve

# Each core has a process with one thread: most tests compute so little that two threads are no faster than one.
test: $(READY) chromium  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile

# The browser tests drive the system's own Chromium. Where it cannot be had they are skipped, and say what to install.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null 2>&1 && exit 0; \
	done; \
	command -v apt-get >/dev/null 2>&1 || exit 0; \
	as_root=""; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
	$$as_root apt-get update -qq \
		&& $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null \
		|| echo "Chromium could not be installed: browser tests will be skipped. Try: apt-get install chromium"

check: $(READY)  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)  ## seconds a picture over HTTP, time to ready, peak memory
	$(BIN)/python bench/latency.py

docs: $(READY)  ## the documentation as a site, in site/
	$(BIN)/mkdocs build --strict

screenshots: $(READY) chromium  ## docs/screenshots, made anew
	$(BIN)/python examples/screenshots.py
