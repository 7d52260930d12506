"""Whole records, as a run writes them, without anything trained."""

from bench.case.cases import Case, Training, burn_in_steps
from bench.case.checked import SCHEMA
from bench.case.costs import Memory, Timing
from bench.case.record import Phases, Record
from bench.case.regimes import regime_of
from bench.case.trained import Convergence, Replicate, Scored
from bench.warnings import Warn

TARGET = 0.012345
TRAINING = Training(learning_rates=(0.01,), tuning_seeds=1, evaluation_seeds=4, epochs=5)
EVERY = 10


def case_of(number=0, kind="convergence", **changes):
    kernel = "replicated" if kind == "convergence" else "loop"
    return Case(kind, "cosine", None, "lstm", "stateful", 1, number + 1, 4, 8, kernel).replace(**changes)


def record_of(case, body=None, *, outcome="ok", message=None, total=10.0, training=TRAINING, warnings=()):
    """A record that a reader takes; `body` is its part named after the kind."""
    return Record(
        schema=SCHEMA, key=case.key, case=case, training=training, outcome=outcome, message=message,
        started="2030-01-01T00:00:00+00:00", seconds=Phases(total=total, wait=0.0, start=0.5),
        warnings=list(warnings), **({case.kind: body} if body is not None else {}),
    )  # fmt: skip


def replicate(seed, role, end):
    """Reaches the target at its update `end`; None: never, in 30 updates."""
    updates = [EVERY, 2 * EVERY, 3 * EVERY]
    return Replicate(
        seed=seed, role=role, learning_rate=0.01, updates=updates,
        error=[TARGET / 2 if end is not None and one >= end else 0.25 for one in updates], loss=[0.5, None, 0.25],
        reached=end is not None, updates_to_target=end, censored_at=None if end is not None else updates[-1],
        diverged=False,
    )  # fmt: skip


def convergence(case, ends=(30, None, 10, 20), **changes):
    """Evaluation replicate i reaches the target at ends[i]."""
    regime, training = (
        regime_of(case.regime),
        Training(learning_rates=(0.01,), tuning_seeds=1, evaluation_seeds=len(ends)),
    )
    steps = case.window + burn_in_steps(case, training)
    fields = {
        "parameters": 100, "predicts": regime.predicts, "steps_per_prediction": 1 if regime.carried else steps,
        "target": TARGET, "target_rule": "made up", "trivial": 1.0, "optimum": None, "stateless_floor": None,
        "baselines": {}, "scored": Scored(count=16, of=100, relative_standard_error=0.1), "updates_per_epoch": EVERY,
        "targets_per_update": case.batch_size * case.window, "cell_steps_per_update": case.batch_size * steps,
        "evaluate_every": EVERY, "learning_rates": [0.01], "chosen_rate": 0.01, "rate_at_edge": False,
        "replicates": [
            replicate(10**6, "tuning", 10), *(replicate(seed, "evaluation", end) for seed, end in enumerate(ends))
        ],
        "seconds_per_update": [0.1], "kernel_seen": case.kernel, "evidence": {"While": 1}, "replicates_in_block": 4,
        "evaluated_otherwise": {},
    }  # fmt: skip
    return record_of(case, Convergence(**fields | changes), training=training)


def timed(case, **changes):
    fields = {
        "parameters": 100, "first_call_seconds": 3.0, "compile_seconds": 2.345, "settled": True,
        "updates_per_block": 7, "seconds_per_update": [0.0012, 0.0013, 0.9],
        "cell_steps_per_update": case.batch_size * case.window * case.layers,
        "targets_per_update": case.batch_size * case.window, "kernel_seen": case.kernel, "evidence": {}, "load": 0.1,
    }  # fmt: skip
    body = Timing(**fields | changes)
    return record_of(case, body, warnings=[Warn.OTHER_KERNEL] if body.kernel_seen != case.kernel else [])


def memory(case):
    body = Memory(
        allocator_peak_bytes=3 * 2**20, compile_peak_bytes=2**20, resident_peak_bytes=700 * 2**20,
        resident_before_bytes=600 * 2**20, parameters=100,
        cell_steps_per_update=case.batch_size * case.window * case.layers, kernel_seen=case.kernel, evidence={},
    )  # fmt: skip
    return record_of(case, body)


def failed(case, outcome="failed", message=None, total=10.0):
    return record_of(case, outcome=outcome, message=message, total=total)
