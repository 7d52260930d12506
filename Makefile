# The front door. `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help bench merge test soak check check-task format report export speed profile reproduce hardware compare gate history clean

PYTHON  ?= python3
PRESET  ?= quick
DEVICE  ?= cpu
ENGINE  ?= tensorflow
ARGS    ?=
CSV     ?=
# What of the file: each is an option of its own, in small letters.
OF_FILE := COLUMN LABELS TIME DAYFIRST GROUP SERIES SPLIT SCALE INPUTS KNOWN PAST AHEAD PERIOD WINDOWS BATCHES UNITS CELLS SEEDS EPOCHS FILL MISSING ROWS DECIMAL ORIGINS
# A run continues where it stopped if it is called again by the same name: the preset's or the file's if it has none.
RUN     ?=
# Which of the posts' experiments (all), and files that are not shipped: the book's LD2011_2014.txt, Silverbox as CSV.
ONLY    ?=
LD2011  ?=
SILVERBOX ?=
# The runs to compare, the first or BASE beside each other one, along BY=machine|engine|configuration|device|version.
RUNS    ?=
BASE    ?=
BY      ?= machine
PRICE   ?=
# The gate: what is compared with BASE, for how long, and whether an inconclusive gate fails.
HEAD    ?=
MINUTES ?= 20
STRICT  ?=
# A history: a file that a branch or an artifact keeps, a line a case, run and machine class; and the runs to add.
ADD     ?=
FILE    ?= results/history.jsonl
TASK    ?=
# Which of how many shards of the plan, as in 3/20; `make merge` puts together what they found.
SHARD   ?=
# Where a cluster's scheduler is whose workers run the cases; empty for this machine.
SCHEDULER ?=
OTHER   := ONLY LD2011 SILVERBOX RUNS BASE BY PRICE HEAD MINUTES STRICT ADD FILE TASK PYTHON
# What a user gives is data: neither make nor a shell may take what stands in it for code. So it is taken as written
# (`value`), and programs read it from their environment. ARGS alone is code: it becomes a part of the command line.
GIVEN   := PRESET RUN DEVICE ENGINE CSV SHARD SCHEDULER
# What is about a file counts only where it is written in the command: GROUP or TIME may mean something else in a shell's
# environment. A default is not passed on: PRESET beside CSV is a mistake only where the user wrote it.
PASSED  := $(foreach one,$(GIVEN),$(if $(filter environment command,$(origin $(one))),$(one))) \
  $(foreach one,$(OF_FILE),$(if $(filter command,$(origin $(one))),$(one)))
$(foreach one,$(GIVEN) $(OF_FILE) $(OTHER),$(eval override $(one) := $$(value $(one))))
$(foreach one,$(PASSED),$(eval export STATEBENCH_$(one) := $$(value $(one))))
export PYTHON RUNS BASE BY PRICE HEAD MINUTES STRICT ADD FILE

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
PY      := $(VENV)/bin/python
STAMP   := $(VENV)/installed

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make bench [PRESET=quick|full|smoke|cost|path.toml] [RUN=name] [DEVICE=cpu|gpu] [ENGINE=tensorflow|jax|torch|a,b] [ARGS='-k lstm']"
	@echo "  make bench [SHARD=3/20] [SCHEDULER=tcp://host:8786]      more than one machine: docs/many-machines.md"
	@echo "  make bench CSV=path [COLUMN=name] [TIME=name] [WINDOWS=4,12,48] [RUN=name]     your own series: docs/your-series.md"
	@echo "  make report RUN=name"

# For other engines the lock is a constraint: its versions hold, but only what these engines need is installed.
EXTRAS   := $(subst $(SPACE),$(COMMA),$(patsubst tensorflow-cuda,cuda,$(OWN:%=%$(if $(GPU),-cuda))))
PACKAGES := $(if $(OWN),--constraint requirements.lock --editable '.[$(EXTRAS)]',\
  --requirement requirements.lock $(if $(GPU),'tensorflow[and-cuda]'))

# Installs once; again only when what is to be installed has changed.
$(STAMP): requirements.lock pyproject.toml
	@"$$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "statebench needs Python 3.11, 3.12 or 3.13; name one with PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV), once (a framework takes a minute or two)"
	@test -x $(PY) || "$$PYTHON" -m venv $(VENV)
	@exec $(PY) -m pip install --quiet --disable-pip-version-check $(PACKAGES)
	@touch $@

bench: $(STAMP) ## measure: run a preset's benchmarks and render the report
	@MAKE_PID=$$PPID exec $(PY) -m bench $(ARGS)

merge: $(STAMP) ## shards of one plan as the run that they make: RUNS="full-1-of-4 full-2-of-4 ..." RUN=full
	@exec $(PY) -m reports.merge $$RUNS --run "$$STATEBENCH_RUN" $(ARGS)

hardware: ## what each way of running buys here: cores, oneDNN, bfloat16, a GPU [DEVICE=gpu]
	@$(MAKE) --no-print-directory bench PRESET=hardware

gpu-evidence: ## ten minutes on a GPU, by PyTorch and JAX, as a folder to publish [ARGS='--minutes 10']
	@$(MAKE) --no-print-directory gpu-evidence-run DEVICE=gpu ENGINE=jax,torch

gpu-evidence-run: $(STAMP)
	@exec $(PY) -m bench.gpu_evidence $(ARGS)

compare: $(STAMP) ## runs side by side: RUNS="a b" [BASE=a] [BY=engine] [PRICE=a=3.2,b=0.4]
	@exec $(PY) -m reports.compare $$RUNS --by "$$BY" $${BASE:+--base "$$BASE"} $${PRICE:+--price "$$PRICE"} $(ARGS)

# make turns every failure into 2; what needs the gate's own exit codes calls python -m bench.gate.
gate: $(STAMP) ## is this slower than BASE=commit|checkout|interpreter? [HEAD=] [PRESET=gate] [MINUTES=20] [STRICT=1]
	@exec $(PY) -m bench.gate --base "$$BASE" $${HEAD:+--head "$$HEAD"} --minutes "$$MINUTES" \
	  $(if $(filter PRESET,$(PASSED)),--preset "$$STATEBENCH_PRESET") $${STRICT:+--strict} $(ARGS)

history: $(STAMP) ## add runs to a history, a file that a branch keeps: ADD="results/a" [FILE=results/history.jsonl]
	@exec $(PY) -m reports.history "$$FILE" $${ADD:+--add $$ADD} $(ARGS)

report: $(STAMP) ## render a run's report again, from its records alone
	@MAKE_PID=$$PPID exec $(PY) -m bench --report

export: export RUN := $(RUN)
export: export FORMAT := $(FORMAT)
export: $(STAMP) ## results as tables: RUN=name[,name] [FORMAT=parquet|csv] into results/export/
	@$(PY) -m reports.export "$$RUN" --format "$${FORMAT:-parquet}"

test: $(STAMP) ## install if need be, and run the tests
	@$(PY) -m pytest tests -q --numprocesses 2 --dist loadfile $(ARGS)

soak: $(STAMP) ## the long tests, then faults at random for five minutes, or ARGS='--minutes 120': kills, full disks, bad files
	@$(PY) -m pytest tests -q -m soak --numprocesses 2 --dist loadfile
	@exec $(PY) tests/soak $(ARGS)

check: $(STAMP) ## format, lint, types, and which folder imports which
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(STAMP) ## put the code into the project's format
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix --quiet .

check-task: export TASK := $(TASK)
check-task: $(STAMP) ## whether a task that you wrote is what it says: TASK=name, TASK=name@dial or TASK=name@dial,dial
	@$(PY) -m tasks.task_check "$$TASK"

speed: $(STAMP) ## what an update costs: this trainer beside model.fit, PyTorch and JAX
	@$(PY) -m bench.speed $(ARGS)

profile: export ENGINE := $(ENGINE)
profile: export DEVICE := $(DEVICE)
profile: $(STAMP) ## what this machine is, how fast and how steady, and what makes figures here unreliable
	@exec $(PY) -m bench.profile --engine "$$ENGINE" --device "$$DEVICE" $(ARGS)

reproduce: export ONLY := $(ONLY)
reproduce: export LD2011 := $(LD2011)
reproduce: export SILVERBOX := $(SILVERBOX)
reproduce: $(STAMP) ## run the posts' experiments and write their page: [ONLY=id,...] [LD2011=path] [SILVERBOX=path]
	@$(PY) -m bench.posts $(if $(ONLY),--only "$$ONLY") $(if $(LD2011),--ld2011 "$$LD2011") \
	  $(if $(SILVERBOX),--silverbox "$$SILVERBOX") $(ARGS); status=$$?; \
	if [ $$status -le 1 ]; then $(PY) -m reports.posts || status=1; fi; exit $$status

clean: ## remove environments and caches; results stay
	rm -rf .venv .venv-* .import_linter_cache results/.compiled .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
