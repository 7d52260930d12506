"""Runs of any size with a known truth: every kind of record, written line by line.

Of 20 records 12 are convergence (six settings with both arms; ten evaluation seeds of 20 evaluations each, and the ends
of three tuning replicates), 6 are time (two processes a case, three samples each) and 2 are memory.
"""

import json
from itertools import count, islice, product

import synthetic

BUDGET = 20 * synthetic.EVERY
TASKS = [("lagged_mean", 16), ("lagged_mean", 32), ("parity", 3), ("electricity", None), ("co2", None)]
KERNELS = ("loop", "unrolled", "xla", "cudnn")


def settings():
    """Networks without end: windows and batch sizes first, then wider and wider ones."""
    for wider in count():
        for units, batch, window, (task, dial), cell in product(
            range(8 + 64 * wider, 72 + 64 * wider, 8), (1, 8, 32, 64), (4, 8, 16, 24, 48), TASKS, ("lstm", "gru")
        ):
            yield {"units": units, "batch_size": batch, "window": window, "task": task, "dial": dial, "cell": cell}


def widths():
    """Networks that differ in cell and width alone, without end: whatever compares them all grows with the square."""
    for units in count(1):
        for cell in ("lstm", "gru"):
            yield {"units": units, "batch_size": 8, "window": 4, "task": "parity", "dial": 3, "cell": cell}


def windows():
    """Networks at six windows each, so that every one needs fewer updates at the shortest and more at a longer one."""
    for units in count(8, 8):
        for window in (4, 8, 16, 24, 48, 96):
            yield {"units": units, "batch_size": 8, "window": window, "task": "parity", "dial": 3, "cell": "lstm"}


def lines(number, of=settings):
    """So many records as lines, as a published run has them: tuning curves but for their ends."""
    trained, timed, taken = of(), of(), of()
    made = 0
    while made < number:
        for record in (*_trained(trained), *_timed(timed), *_taken(taken)):
            if made < number:
                yield record
            made += 1


def _trained(trained):
    for place, setting in enumerate(islice(trained, 6)):
        # From one that needs half to one that needs twice as much, and one arm that seldom arrives.
        ratio, success = (0.5, 0.8, 1.0, 1.25, 2.0, 1.0)[place], 0.4 if place == 5 else 1.0
        seed = [place, *(value for value in setting.values() if isinstance(value, int))]
        for arm, (regime, median, often) in enumerate((("stateful", 150 * ratio, success), ("stateless", 150, 1.0))):
            hits = synthetic.hits(median, success=often, seed=[arm, *seed], budget=BUDGET)
            case = synthetic.case(regime=regime, **setting)
            record = synthetic.convergence(hits, BUDGET, case_=case)
            for one in record["convergence"]["replicates"]:
                keep = slice(None) if one["role"] == "evaluation" else slice(-1, None)
                one["updates"], one["error"] = one["updates"][keep], [float(f"{v:.4g}") for v in one["error"][keep]]
                del one["loss"]
            yield record


def _timed(timed):
    setting = next(timed)
    for kernel, seconds in (("loop", 2e-3), ("unrolled", 1.5e-3), ("xla", 1e-3)):
        yield from synthetic.timed(seconds, noise=0.05, kernel=kernel, **setting)


def _taken(taken):
    setting = next(taken)
    for kernel, peak in (("loop", 2**22), ("unrolled", 3 * 2**22)):
        yield synthetic.memory(peak, synthetic.case("memory", kernel=kernel, **setting))


def write(folder, number, of=settings):
    """Write a run folder of so many records, every pair of arms declared; returns it."""
    plan, keys = [], []
    synthetic.write(folder, [])
    with (folder / "records.jsonl").open("w") as file:
        for record in lines(number, of):
            plan.append(record["case"])
            keys.append({"key": record["key"]})
            file.write(json.dumps(record) + "\n")
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(about | {"plan": plan, "family": synthetic.family(keys)}))
    return folder
