# The front door. `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help bench test check format report speed reproduce clean

PYTHON  ?= python3
PRESET  ?= quick
DEVICE  ?= cpu
ENGINE  ?= tensorflow
ARGS    ?=
# Which of the posts' experiments (all), and where the book's file LD2011_2014.txt lies (the series shipped).
ONLY    ?=
LD2011  ?=
# A run continues where it stopped if it is called again by the same name.
RUN     ?= $(basename $(notdir $(PRESET)))$(if $(filter gpu,$(DEVICE)),-gpu)$(if $(filter-out tensorflow,$(ENGINE)),-$(ENGINE))

VENV    := .venv$(if $(filter gpu,$(DEVICE)),-gpu)
PY      := $(VENV)/bin/python
STAMP   := $(VENV)/installed

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make bench [PRESET=quick|full|smoke|path.toml] [RUN=name] [DEVICE=cpu|gpu] [ENGINE=tensorflow] [ARGS='-k lstm']"
	@echo "  make report RUN=name"

# Installs once; again only when what is to be installed has changed.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "statebench needs Python 3.11, 3.12 or 3.13; name one with PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV), once (TensorFlow takes a minute or two)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(if $(filter gpu,$(DEVICE)),$(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock 'tensorflow[and-cuda]')
	@touch $@

bench: $(STAMP) ## measure: run a preset's benchmarks and render the report
	@mkdir -p results
	@$(PY) -m pytest bench -q --benchmark-quiet --preset '$(PRESET)' --run '$(RUN)' --device '$(DEVICE)' --engine '$(ENGINE)' \
	  --benchmark-json 'results/.$(RUN).benchmark.json' $(ARGS); status=$$?; \
	if [ -s 'results/.$(RUN).benchmark.json' ]; then mv 'results/.$(RUN).benchmark.json' 'results/$(RUN)/benchmark.json'; fi; \
	rm -f 'results/.$(RUN).benchmark.json'; \
	if [ $$status -le 1 ]; then $(PY) -m reports '$(RUN)' || status=1; fi; exit $$status

report: $(STAMP) ## render a run's report again, from its records alone
	@$(PY) -m reports '$(RUN)'

test: $(STAMP) ## install if need be, and run the tests
	@$(PY) -m pytest tests -q $(ARGS)

check: $(STAMP) ## format, lint, types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

format: $(STAMP) ## put the code into the project's format
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix --quiet .

speed: $(STAMP) ## what an update costs: this trainer beside model.fit, PyTorch and JAX
	@$(PY) -m bench.speed $(ARGS)

reproduce: $(STAMP) ## run the posts' experiments and write their page: [ONLY=id,...] [LD2011=path]
	@$(PY) -m bench.posts $(if $(ONLY),--only '$(ONLY)') $(if $(LD2011),--ld2011 '$(LD2011)') $(ARGS); status=$$?; \
	if [ $$status -le 1 ]; then $(PY) -m reports.posts || status=1; fi; exit $$status

clean: ## remove environments and caches; results stay
	rm -rf .venv .venv-gpu results/.compiled .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
