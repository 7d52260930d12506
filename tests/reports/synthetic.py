"""Runs with a known truth: records as docs/records.md says, made without training anything."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from bench.case.cases import Case, Training, burn_in_steps
from bench.case.checked import decode
from bench.case.record import Record
from bench.case.regimes import regime_of
from bench.case.run_record import RunRecord
from reports.collect.read import Run

TRIVIAL, TARGET, EVERY = 1.0, 0.3, 20
RATES = [0.003, 0.01, 0.03]

MACHINE = {
    "cpu": "none", "cores": 2, "threads": 2, "affinity": [0], "architecture": "x86_64", "instruction_sets": [],
    "memory_bytes": 2**34, "system": "Linux 6", "python": "3.11", "accelerators": [], "caches": None,
    "governor": None, "turbo": None, "hyperthreads": None, "virtual_machine": None, "quota_cores": None,
    "quota_bytes": None, "environment": {},
}  # fmt: skip


def case(kind="convergence", **changes):
    base = Case(
        kind=kind, task="made_up", dial=None, cell="lstm", regime="stateless", layers=1, units=8, window=4,
        batch_size=8, kernel="replicated" if kind == "convergence" else "loop",
    )  # fmt: skip
    return base.replace(**changes)


def run_of(records, folder=None, **about):
    """The run that these records make, `about` in its run.json."""
    return Run(folder=folder, about=decode(json.dumps(run_json("made up", records, **about)).encode(), RunRecord),
               records=tuple(map(typed, records)))  # fmt: skip


def typed(values):
    """A record as a reader gets it."""
    return decode(json.dumps(values).encode(), Record)


def curve(hit, budget, seed, target=TARGET):
    """Falls exponentially to the target at `hit`, or levels off above it."""
    grid = range(EVERY, budget + 1, EVERY)
    updates = np.array(sorted({*grid, hit} if hit is not None and hit <= budget else grid))
    if hit is None:
        error = target * (1.1 + 0.05 * (seed % 3)) + 0.7 * np.exp(-updates / (budget / 4))
    else:
        error = np.maximum(TRIVIAL * (target / TRIVIAL) ** (updates / max(hit, 1)), target / 6) * (1 - 1e-9)
    return updates.tolist(), error.tolist()


def replicate(seed, hit, budget=1000, role="evaluation", rate=0.01, target=TARGET):
    updates, error = curve(hit, budget, seed, target)
    reached = hit is not None and hit <= budget
    return {
        "seed": seed, "role": role, "learning_rate": rate, "updates": updates, "error": error,
        "loss": error, "reached": reached, "updates_to_target": hit if reached else None,
        "censored_at": None if reached else updates[-1], "diverged": False,
    }  # fmt: skip


def record(case, body, outcome="ok", **changes):
    whole = {
        "schema": 1, "key": case.key, "case": case.to_dict(),
        "training": {"learning_rates": RATES, "stop": "budget", "evaluation_seeds": 10, "epochs": 50},
        "outcome": outcome, "message": None, "warnings": warnings(case, body) if outcome == "ok" else [],
        "started": "2030-01-01T00:00:00+00:00",
        "seconds": {
            "total": 4.0, "start": 1.0, "prepare": 0.5, "compile": 0.5, "train": 1.75, "evaluate": 0.25
        },
    }  # fmt: skip
    return whole | ({case.kind: body} if outcome == "ok" else {}) | changes


def warnings(case, body):
    """The codes that follow from what is recorded."""
    found = {
        "rate-at-edge": body.get("rate_at_edge"),
        "diverged": any(one["diverged"] for one in body.get("replicates", ()) if one["role"] == "evaluation"),
        "unsettled": not body.get("settled", True),
        "other-kernel": body["kernel_seen"] != case.kernel,
        "misaligned": case.kind != "memory" and regime_of(case.regime).misaligned,
    }
    return [code for code, is_so in found.items() if is_so]


def steps(case):
    """Steps of a window as it is processed."""
    return case.window + burn_in_steps(case, Training())


def parameters(case):
    """Of an LSTM of one layer with one input and one output; the suite's other networks have as many here."""
    return 4 * case.units * (case.units + 2) + case.units + 1


def per_update(case):
    """What an update of a case consists of."""
    return {
        "cell_steps_per_update": case.batch_size * steps(case) * case.layers,
        "targets_per_update": case.batch_size * (1 if regime_of(case.regime).stride_one else case.window),
    }


def convergence(hits, budget=1000, tuning=1, case_=None, target=TARGET, **changes):
    """A record whose evaluation replicate i reaches the target at hits[i] (None: never)."""
    chosen = case_ or case()
    body = {
        "parameters": parameters(chosen),
        "target": target, "target_rule": "a fixed share",
        "predicts": "carried" if chosen.regime == "stateful" else "sliding",
        "steps_per_prediction": 1 if chosen.regime == "stateful" else steps(chosen),
        "trivial": TRIVIAL, "optimum": 0.0, "stateless_floor": None, "baselines": {"persistence": 0.8},
        "scored": {"count": 256, "of": 1000, "relative_standard_error": 0.05}, "updates_per_epoch": EVERY,
        **per_update(chosen), "evaluate_every": EVERY,
        "learning_rates": RATES, "chosen_rate": 0.01, "rate_at_edge": False,
        "replicates": [
            *(replicate(1000 + i, 200, budget, "tuning", rate, target) for rate in RATES for i in range(tuning)),
            *(replicate(i, hit, budget, target=target) for i, hit in enumerate(hits)),
        ],
        "seconds_per_update": [1e-4, 1.1e-4, 0.9e-4], "kernel_seen": chosen.kernel, "evidence": {"While": 1},
        "replicates_in_block": 10,
        "evaluated_otherwise": {
            way: [0.3 + 0.01 * i for i in range(len(hits))] for way in ("sliding", "carried")
        },
    }  # fmt: skip
    body |= changes
    training = {
        "learning_rates": body["learning_rates"], "tuning_seeds": tuning, "evaluation_seeds": len(hits),
        "epochs": -(-budget // EVERY), "stop": "budget",
    }  # fmt: skip
    return record(chosen, body, training=training)


def settle(made):
    """Have all of a record agree again after its curves, target, rates or kernel were changed; returns it."""
    body, case = made[made["case"]["kind"]], Case(**made["case"])
    if case.kind == "convergence":
        for one in body["replicates"]:
            at = [u for u, e in zip(one["updates"], one["error"], strict=True) if e is not None and e <= body["target"]]
            one |= {
                "reached": bool(at), "updates_to_target": at[0] if at else None,
                "censored_at": None if at else one["updates"][-1], "diverged": one["error"][-1] is None,
            }  # fmt: skip
        deciding = [one for one in body["replicates"] if one["role"] == "evaluation"]
        rates = body["learning_rates"]
        made["training"] |= {
            "learning_rates": rates, "evaluation_seeds": len(deciding),
            "tuning_seeds": (len(body["replicates"]) - len(deciding)) // len(rates),
        }  # fmt: skip
        body["rate_at_edge"] = len(rates) > 1 and body["chosen_rate"] in {min(rates), max(rates)}
        body["evaluated_otherwise"] = {way: e[: len(deciding)] for way, e in body["evaluated_otherwise"].items()}
    made["warnings"] = warnings(case, body)
    return made


def invocation(**changes):
    """An entry of run.json's invocations."""
    return {
        "started": "2030-01-01T00:00:00+00:00", "finished": "2030-01-01T00:01:00+00:00",
        "command": "make bench PRESET=quick", "git": {"commit": "abc", "dirty": False}, "workers": 2,
        "load_before": 0.1, "wall_seconds": 60.0, "cases_run": 1,
    } | changes  # fmt: skip


def family(records):
    """What run.json holds of them: every stateful record declared against its stateless one."""
    keys = [one["key"] for one in records if one["key"].startswith("convergence/")]
    pairs = [(key, key.replace("-stateful-", "-stateless-")) for key in keys if "-stateful-" in key]
    return [list(pair) for pair in pairs if pair[1] in keys]


def at_edge(made):
    """Let an arm have chosen its learning rate at the edge of its grid."""
    found = made["convergence"]
    found["learning_rates"] = [0.01, 0.03]
    found["replicates"] = [one for one in found["replicates"] if one["learning_rate"] != 0.003]
    settle(made)


def whole(report):
    """All text of a report: its first page and the details."""
    return report.read_text() + (report.parent / "details.md").read_text()


def marks(figure):
    """How many lines, markers and bars an SVG file draws in colours of data, within its frame."""
    root = ET.parse(figure).getroot()
    drawn = [one for one in root.iter() if one.tag.rpartition("}")[2] in {"path", "use", "rect"}]
    styles = [one.get("style", "") for one in drawn]
    return sum("#" in style and "fill: #ffffff" not in style and "stroke: #000000" not in style for style in styles)


def pair(stateful, stateless, **changes):
    """Both arms of one setting."""
    return [
        convergence(hits, case_=case(regime=regime, **changes))
        for regime, hits in (("stateful", stateful), ("stateless", stateless))
    ]


def time(samples=(1e-3, 1.1e-3, 1.05e-3), case_=None, **changes):
    chosen = case_ or case("time")
    body = {
        "parameters": parameters(chosen), "first_call_seconds": 2.0, "compile_seconds": 1.9, "updates_per_block": 50,
        "seconds_per_update": [float(one) for one in samples], **per_update(chosen),
        "kernel_seen": chosen.kernel, "evidence": {"While": 1}, "settled": True, "load": 0.1,
    }  # fmt: skip
    body |= changes
    return record(chosen, body | {"first_call_seconds": body["compile_seconds"] + 0.1})


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
        "resident_before_bytes": 500 * 2**20, "parameters": parameters(chosen), "kernel_seen": chosen.kernel,
        "evidence": {},
        "cell_steps_per_update": per_update(chosen)["cell_steps_per_update"],
    }  # fmt: skip
    return record(chosen, body | changes)


def run_json(name, records, plan=None, **changes):
    """What run.json holds of a run of these records; what is declared is planned too."""
    cases = {one["key"]: one["case"] for one in records}
    for key in {key for pair in changes.get("family", ()) for key in pair} - set(cases):
        cases[key] = Case.from_id(*key.split("/")).to_dict()
    return {
        "schema": 1, "run": name,
        "preset": {
            "name": "made up", "path": "made_up.toml", "sha256": "0" * 64, "description": "", "settings": {},
            "limits": {"seconds": 300, "memory_mib": 6144, "workers": 0, "together": 12},
        },
        "plan": plan if plan is not None else list(cases.values()),
        "plan_sha256": "0" * 64, "family": [], "refused": [], "machine": MACHINE, "machine_sha256": "0" * 64,
        "versions": {"python": "3.11", "statebench": "0.1.0"},
        "invocations": [invocation(cases_run=len(records))],
    } | changes  # fmt: skip


def write(folder, records, plan=None, **changes):
    """Write a run folder and return it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run_json(folder.name, records, plan, **changes)))
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
