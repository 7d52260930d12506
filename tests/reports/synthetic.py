"""Runs with a known truth: records as docs/records.md says, made without training anything."""

import json
from pathlib import Path

import numpy as np

from bench.case.cases import Case
from reports.collect.read import Run
from reports.collect.records import Record

TRIVIAL, TARGET, EVERY = 1.0, 0.3, 20


def case(kind="convergence", **changes):
    base = Case(
        kind=kind, task="made_up", dial=None, cell="lstm", regime="stateless", layers=1, units=8, window=4,
        batch_size=8, kernel="replicated" if kind == "convergence" else "loop",
    )  # fmt: skip
    return base.replace(**changes)


def run_of(records, folder=None, **about):
    """The run that these records make, `about` in its run.json."""
    return Run(folder=folder, about=about, records=tuple(map(Record.from_dict, records)))


def curve(hit, budget, seed):
    """Falls exponentially to the target at `hit`, or levels off above it."""
    updates = np.arange(EVERY, budget + 1, EVERY)
    if hit is None:
        error = TARGET * (1.1 + 0.05 * (seed % 3)) + 0.7 * np.exp(-updates / (budget / 4))
    else:
        error = np.maximum(TRIVIAL * (TARGET / TRIVIAL) ** (updates / max(hit, 1)), 0.05) * (1 - 1e-9)
    return updates.tolist(), error.tolist()


def replicate(seed, hit, budget=1000, role="evaluation"):
    updates, error = curve(hit, budget, seed)
    reached = hit is not None and hit <= budget
    return {
        "seed": seed, "role": role, "learning_rate": 0.01, "updates": updates, "error": error,
        "loss": error, "reached": reached, "updates_to_target": hit if reached else None,
        "censored_at": None if reached else updates[-1], "diverged": False,
    }  # fmt: skip


def record(case, body, outcome="ok", **changes):
    whole = {
        "schema": 1, "key": case.key, "case": case.to_dict(),
        "training": {"learning_rates": [0.003, 0.01, 0.03], "stop": "budget", "evaluation_seeds": 10, "epochs": 50},
        "outcome": outcome, "message": None, "warnings": [], "started": "2030-01-01T00:00:00+00:00",
        "seconds": {
            "total": 4.0, "start": 1.0, "prepare": 0.5, "compile": 0.5, "train": 1.75, "evaluate": 0.25
        },
    }  # fmt: skip
    return whole | ({case.kind: body} if outcome == "ok" else {}) | changes


def convergence(hits, budget=1000, tuning=3, case_=None, **changes):
    """A record whose evaluation replicate i reaches the target at hits[i] (None: never)."""
    chosen = case_ or case()
    body = {
        "parameters": 4 * chosen.units * (chosen.units + 2) + chosen.units + 1,
        "target": TARGET, "target_rule": "a fixed share",
        "predicts": "carried" if chosen.regime == "stateful" else "sliding",
        "steps_per_prediction": 1 if chosen.regime == "stateful" else chosen.window,
        "trivial": TRIVIAL, "optimum": 0.0, "stateless_floor": None, "baselines": {"persistence": 0.8},
        "scored": {"count": 256, "of": 1000, "relative_standard_error": 0.05}, "updates_per_epoch": EVERY,
        "targets_per_update": chosen.batch_size * chosen.window,
        "cell_steps_per_update": chosen.batch_size * chosen.window, "evaluate_every": EVERY,
        "learning_rates": [0.003, 0.01, 0.03], "chosen_rate": 0.01, "rate_at_edge": False,
        "replicates": [
            *(replicate(1000 + i, 200, budget, "tuning") for i in range(tuning)),
            *(replicate(i, hit, budget) for i, hit in enumerate(hits)),
        ],
        "seconds_per_update": [1e-4, 1.1e-4, 0.9e-4], "replicates_in_block": 10,
        "evaluated_otherwise": {
            way: [0.3 + 0.01 * i for i in range(len(hits))] for way in ("sliding", "carried")
        },
    }  # fmt: skip
    return record(chosen, body | changes)


def family(records):
    """What run.json holds of them: every stateful record declared against its stateless one."""
    keys = [one["key"] for one in records if one["key"].startswith("convergence/")]
    pairs = [(key, key.replace("-stateful-", "-stateless-")) for key in keys if "-stateful-" in key]
    return [list(pair) for pair in pairs if pair[1] in keys]


def pair(stateful, stateless, **changes):
    """Both arms of one setting."""
    return [
        convergence(hits, case_=case(regime=regime, **changes))
        for regime, hits in (("stateful", stateful), ("stateless", stateless))
    ]


def time(samples=(1e-3, 1.1e-3, 1.05e-3), case_=None, **changes):
    chosen = case_ or case("time")
    body = {
        "parameters": 100, "first_call_seconds": 2.0, "compile_seconds": 1.9, "updates_per_block": 50,
        "seconds_per_update": [float(one) for one in samples], "cell_steps_per_update": 32, "targets_per_update": 32,
        "kernel_seen": chosen.kernel, "evidence": {"While": 1}, "settled": True, "load": 0.1,
    }  # fmt: skip
    return record(chosen, body | changes)


def timed(seconds, compiling=1.0, processes=2, noise=0.0, seed=0, body=None, **changes):
    """A time record a process, whose medians scatter by `noise` on the log scale; `compiling` in seconds."""
    rng = np.random.default_rng([seed, *map(ord, str(sorted(changes.items())))])
    return [
        time([seconds * float(np.exp(noise * rng.standard_normal()))] * 4, case("time", repetition=n, **changes),
             compile_seconds=compiling, **(body or {}))
        for n in range(processes)
    ]  # fmt: skip


def memory(peak=3 * 2**20, case_=None, **changes):
    chosen = case_ or case("memory")
    body = {
        "allocator_peak_bytes": peak, "compile_peak_bytes": 2 * peak, "resident_peak_bytes": 600 * 2**20,
        "resident_before_bytes": 500 * 2**20, "parameters": 100,
    }  # fmt: skip
    return record(chosen, body | changes)


def write(folder, records, plan=None, **changes):
    """Write a run folder and return it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "schema": 1, "run": folder.name, "preset": {"name": "made up", "settings": {}},
        "plan": plan if plan is not None else [one["case"] for one in records], "refused": [],
        "machine": {"cpu": "none", "cores": 2}, "versions": {"python": "3.11", "statebench": "0.1.0"},
        "invocations": [{
            "started": "2030-01-01T00:00:00+00:00", "finished": "2030-01-01T00:01:00+00:00",
            "command": "make bench PRESET=quick", "git": {"commit": "abc", "dirty": False}, "workers": 2,
            "load_before": 0.1, "wall_seconds": 60.0, "cases_run": len(records),
        }],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about | changes))
    (folder / "records.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder


def hits(median, *, n=10, spread=0.2, success=1.0, seed=0, budget=1000):
    """Lognormal times to target, rounded up to the cadence; each reaches the target with that probability."""
    rng = np.random.default_rng(seed)
    values = np.ceil(median * np.exp(spread * rng.standard_normal(n)) / EVERY) * EVERY
    kept = rng.random(n) < success
    return [int(v) if keep and v <= budget else None for v, keep in zip(values, kept, strict=True)]


def flat(groups):
    """Records of several groups as one list."""
    return [one for group in groups for one in group]
