# Everything that the book's makers do, on a machine that has Python 3.11 or newer (with venv) and make.
# The first target that needs it sets up .venv; later ones skip that until requirements.txt or pyproject.toml change.

N ?=
CHAPTER ?=
SAMPLE ?=
SEED ?=
PROFILE ?= tiny
# Processes of the tests: auto is one for each core, as far as memory goes.
JOBS ?= auto
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# The first of these that is new enough makes the environment; `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)) no-python)
# What the chapters need: fetched before they run, so that no page waits for a download.
ASSETS ?= $(shell $(PY) -m tools.needs $(SWEEPS))
# A process that dies fails the run at once: a new one would only be given the same test.
# Grading has limits in seconds, which a busy machine does not keep: its tests have it for themselves.
GRADING = tests/tools/exercises/test_sandbox.py tests/tools/exercises/test_submissions.py
define tests_marked
@$(PY) -m pytest -n $(JOBS) --max-worker-restart 0 --dist loadfile $(GRADING:%=--ignore %) -m $(1)
@$(PY) -m pytest $(GRADING) -m $(1)
endef
UPGRADE = $(PY) -m pip install --quiet --upgrade --upgrade-strategy eager --editable ".[book,tests,instructors,bench,chapters]"

.NOTPARALLEL:
.PHONY: help setup newest book chapter serve test test-fast test-gpu check assets pair unit execute arithmetic miniature contract render browser results assign grade lock bench clean

help:  ## Show this list.
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-13s%s\n", $$1, $$2}'

setup: $(READY)  ## Make .venv with the tested versions of everything.

$(READY): requirements.txt pyproject.toml
	@if [ "$(PYTHON)" = no-python ]; then echo "Python 3.11 or newer is needed; found none called python3." >&2; exit 1; fi
	@echo "Setting up $(VENV) (a few minutes the first time)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --requirement requirements.txt
	@$(PY) -m pip install --quiet --no-deps --editable .
	@if [ -n "$(TL_NEWEST)" ]; then $(UPGRADE); fi
	@touch $(READY)

newest: $(READY)  ## Take the newest releases that pyproject.toml allows, not the tested ones.
	@$(UPGRADE)

book: pair execute  ## Execute what changed, render the book, tell where to open it.
	@$(PY) -m tools.site.stage --profile $(PROFILE)
	@$(PY) -m tools.site.render

chapter: pair  ## Execute one chapter and render it: make chapter N=10
	@if [ -z "$(N)" ]; then echo "Which one? For example: make chapter N=10" >&2; exit 2; fi
	@$(PY) -m tools.execution.execute $(N) --profile $(PROFILE)
	@$(PY) -m tools.site.stage --profile $(PROFILE) --unexecuted
	@$(PY) -m tools.site.render --chapter $(N)

serve: $(READY)  ## Serve the rendered book at http://127.0.0.1:8000
	@$(PY) -m tools.site.serve

# The gates run from the quickest to the slowest; each stops the line. A page over its limit of time fails where the
# machine did nothing else meanwhile, and is reported where it did: on a busy machine a page takes four times as long.
test: check unit  ## Run every test: code, chapters in both profiles, page contract, rendered book, browser: make test [JOBS=1]
	@$(MAKE) --no-print-directory execute
	@$(MAKE) --no-print-directory arithmetic
	@$(MAKE) --no-print-directory miniature
	@$(MAKE) --no-print-directory contract
	@$(MAKE) --no-print-directory render
	@$(MAKE) --no-print-directory browser

test-fast: check  ## Run the tests that execute no chapter and take no long training: make test-fast [JOBS=1]
	$(call tests_marked,"not slow and not real_assets and not book and not browser")

test-gpu: $(READY)  ## Run what only a machine with a CUDA GPU can test.
	@TL_TEST_GPU=1 $(PY) -m pytest tests/on_gpu

check: $(READY)  ## Check style, types, imports, docstrings, spelling, both forms of each chapter, what is derived.
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-cache --no-logo
	@$(VENV)/bin/numpydoc lint src/tlhelpers/*.py src/tlhelpers/*/*.py
	@$(VENV)/bin/codespell
	@$(PY) -m tools.pair --check
	@$(PY) -m tools.derive --check

# The tests look into every asset; a reader of the book waits only for those that its chapters use.
assets: $(READY)  ## Fetch the pretrained models and the text that the chapters need.
	@$(VENV)/bin/tl assets fetch $(ASSETS)

pair: $(READY)  ## Make each chapter's Markdown and notebook equal.
	@$(PY) -m tools.pair

unit: $(READY)
	@$(VENV)/bin/tl assets fetch --all --quiet
	$(call tests_marked,"not book and not browser")

execute: $(READY) assets  ## Execute the chapters that changed.
	@$(PY) -m tools.execution.execute --profile $(PROFILE)
	@$(PY) -m tools.execution.listings --profile $(PROFILE)

arithmetic: $(READY) assets  ## Run the numeric tests and one page as an older processor computes.
	@$(PY) -m tools.execution.second_arithmetic

miniature: $(READY)  ## Run the full profile of every chapter against a miniature hub.
	@$(PY) -m tools.execution.miniature
	@$(PY) -m tools.execution.listings --miniature

contract: $(READY)
	@$(PY) -m tools.budget --check
	@$(PY) -m pytest -m book

render: $(READY)
	@$(PY) -m tools.site.stage --profile $(PROFILE)
	@$(PY) -m tools.site.render

browser: $(READY)
	@$(PY) -m pytest -m browser tests/browser

results: SWEEPS = --sweeps
results: $(READY) assets  ## Record what sweeps lack: make results [CHAPTER=10]; SAMPLE=1 sees whether points repeat.
	@$(PY) -m tools.sweep $(CHAPTER) $(if $(SAMPLE),--sample)

assign: $(READY)  ## Make student notebooks, solutions and autograders: make assign [N=10]; SEED=7 draws a variant.
	@$(PY) -m tools.exercises assign $(N) $(if $(SEED),--seed $(SEED))

grade: $(READY)  ## Run and grade submitted notebooks, contained: make grade SUBMISSIONS=folder [N=10] [SECONDS=120] [MEMORY=4] [OUTPUT=folder] [SEED=7] [TRUST=1]
	@$(PY) -m tools.exercises grade "$(SUBMISSIONS)" $(if $(N),--chapter $(N)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(MEMORY),--memory $(MEMORY)) $(if $(OUTPUT),--output "$(OUTPUT)") $(if $(SEED),--seed $(SEED)) $(if $(TRUST),--trust)

lock:  ## Write requirements.txt anew from pyproject.toml, in a fresh environment.
	@$(PYTHON) -m tools.lock

bench: ASSETS = encoder sentiment topics intents
bench: $(READY) assets  ## Compare fit with Trainer and a plain loop, embed with encode (half an hour): make bench [WORKLOAD="texts tokens"]
	@$(PY) -m benchmarks $(if $(WORKLOAD),--workload $(WORKLOAD))

clean:  ## Remove what was built; .venv and fetched assets stay.
	@rm -rf _build
