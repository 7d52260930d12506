# The front door. `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help bench test check format report speed profile reproduce clean

PYTHON  ?= python3
PRESET  ?= quick
DEVICE  ?= cpu
ENGINE  ?= tensorflow
ARGS    ?=
CSV     ?=
# What of the file: each is an option of its own, in small letters.
OF_FILE := COLUMN TIME DAYFIRST GROUP SERIES SPLIT SCALE INPUTS KNOWN PAST AHEAD PERIOD WINDOWS BATCHES UNITS CELLS SEEDS EPOCHS FILL MISSING ROWS DECIMAL
# Which of the posts' experiments (all), and where the book's file LD2011_2014.txt lies (the series shipped).
ONLY    ?=
LD2011  ?=
NOTHING :=
SPACE   := $(NOTHING) $(NOTHING)
COMMA   := ,
GPU     := $(filter gpu,$(DEVICE))

# Each device and combination of engines, in whatever order, has an environment of its own, but for TensorFlow alone on a
# CPU, whose environment has the tools of development too.
NAMED   := $(filter tensorflow jax torch,$(sort $(subst $(COMMA),$(SPACE),$(ENGINE))))
OWN     := $(if $(filter-out tensorflow,$(NAMED)),$(NAMED))
OF_OWN  := $(if $(GPU),-gpu)$(if $(OWN),-$(subst $(SPACE),-,$(OWN)))
VENV    := .venv$(OF_OWN)
# A run continues where it stopped if it is called again by the same name.
RUN     ?= $(basename $(notdir $(if $(CSV),$(subst $(SPACE),_,$(CSV)),$(PRESET))))$(OF_OWN)
PY      := $(VENV)/bin/python
STAMP   := $(VENV)/installed

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make bench [PRESET=quick|full|smoke|cost|path.toml] [RUN=name] [DEVICE=cpu|gpu] [ENGINE=tensorflow|jax|torch|a,b] [ARGS='-k lstm']"
	@echo "  make bench CSV=path [COLUMN=name] [TIME=name] [WINDOWS=4,12,48] [RUN=name]     your own series: docs/your-series.md"
	@echo "  make report RUN=name"

# For other engines the lock is a constraint: its versions hold, but only what these engines need is installed.
EXTRAS   := $(subst $(SPACE),$(COMMA),$(patsubst tensorflow-cuda,cuda,$(OWN:%=%$(if $(GPU),-cuda))))
PACKAGES := $(if $(OWN),--constraint requirements.lock --editable '.[$(EXTRAS)]',\
  --requirement requirements.lock $(if $(GPU),'tensorflow[and-cuda]'))

# Installs once; again only when what is to be installed has changed.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "statebench needs Python 3.11, 3.12 or 3.13; name one with PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV), once (a framework takes a minute or two)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PACKAGES)
	@touch $@

# What is about a file counts only where it is written in the command: GROUP or TIME may mean something else in a shell's
# environment. PRESET beside CSV is passed on only where the user wrote it, to be told that it is one or the other.
OPTION   = --$(shell echo $(one) | tr A-Z a-z) '$($(one))'
OPTIONS  = $(foreach one,$(OF_FILE),$(if $(filter command,$(origin $(one))),$(OPTION)))
WHAT     = $(if $(CSV),--csv '$(CSV)') $(if $(and $(CSV),$(filter file,$(origin PRESET))),,--preset '$(PRESET)') $(OPTIONS)

bench: $(STAMP) ## measure: run a preset's benchmarks and render the report
	@mkdir -p results
	@$(PY) -m pytest bench -q --benchmark-quiet $(WHAT) --run '$(RUN)' --device '$(DEVICE)' --engine '$(ENGINE)' \
	  --benchmark-json 'results/.$(RUN).benchmark.json' $(ARGS); status=$$?; \
	if [ -s 'results/.$(RUN).benchmark.json' ]; then mv 'results/.$(RUN).benchmark.json' 'results/$(RUN)/benchmark.json'; fi; \
	rm -f 'results/.$(RUN).benchmark.json'; \
	if [ $$status -le 1 ]; then $(PY) -m reports '$(RUN)' || status=1; fi; exit $$status

report: $(STAMP) ## render a run's report again, from its records alone
	@$(PY) -m reports '$(RUN)'

test: $(STAMP) ## install if need be, and run the tests
	@$(PY) -m pytest tests -q --numprocesses 2 --dist loadfile $(ARGS)

check: $(STAMP) ## format, lint, types, and which folder imports which
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(STAMP) ## put the code into the project's format
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix --quiet .

speed: $(STAMP) ## what an update costs: this trainer beside model.fit, PyTorch and JAX
	@$(PY) -m bench.speed $(ARGS)

profile: $(STAMP) ## what this machine is, how fast and how steady, and what makes figures here unreliable
	@$(PY) -m bench.profile --engine '$(ENGINE)' --device '$(DEVICE)' $(ARGS)

reproduce: $(STAMP) ## run the posts' experiments and write their page: [ONLY=id,...] [LD2011=path]
	@$(PY) -m bench.posts $(if $(ONLY),--only '$(ONLY)') $(if $(LD2011),--ld2011 '$(LD2011)') $(ARGS); status=$$?; \
	if [ $$status -le 1 ]; then $(PY) -m reports.posts || status=1; fi; exit $$status

clean: ## remove environments and caches; results stay
	rm -rf .venv .venv-* .import_linter_cache results/.compiled .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
