"""The plan of a run: every case in order; what cannot run is refused and what means nothing left out, with reasons."""

import hashlib
import json
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tasks
from bench import engines
from bench.case.cases import KINDS, Case, Job, Training
from bench.case.configurations import Configuration
from bench.case.regimes import regime_of
from bench.errors import PlanError
from bench.measure import interleave, workload
from bench.plan.presets import Preset
from tasks import dials, task_check
from tasks.dials import Dial

LONGEST_UNROLL = 256
"""Unrolled steps beyond which a graph takes minutes and gigabytes to compile; Keras' own advice is short sequences."""

CUDNN_CELLS = ("lstm", "gru")
UNROLLED = ("unrolled", "xla_unrolled")

ADDED = {"configuration": "", "draws": 0, "orders": 1}
"""Fields of a case and its settings that older runs lack, and what these stand for."""


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes
    ----------
    jobs
        In the order in which they run: convergence first, then what must run alone.
    left_out
        Combinations of a grid that mean nothing, each with its reason; they are no errors, since a grid is a product.
    family
        Comparisons declared before the run: keys of two cases that differ in the regime alone.
    data
        Fingerprint of the data of each task, by its name and dial.
    configurations
        Ways of running the cases; none for the usual one.
    grids
        Which of the preset's grids names each case first, in the order of `jobs`.
    """

    jobs: list[Job]
    left_out: list[tuple[Case, str]]
    family: list[tuple[str, str]]
    data: dict[str, str]
    configurations: tuple[Configuration, ...] = ()
    grids: tuple[int, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the cases, their settings and their data."""
        # Without what was unknown when older runs were made, so that these go on.
        cases = [[_known_before(job.case.to_dict()), _known_before(vars(job.training))] for job in self.jobs]
        ways = [one.to_dict() for one in self.configurations]
        text = json.dumps([cases, self.family, self.data, *([ways] if ways else [])], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _known_before(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != ADDED.get(name, ...)}


def make(preset: Preset) -> Plan:
    """Make a plan from a preset.

    Raises
    ------
    PlanError
        Listing every case that cannot be run, with its reason.
    """
    jobs: dict[str, Job] = {}
    left_out: dict[str, tuple[Case, str]] = {}
    refused: dict[str, str] = {}
    lacking = dict(preset.configured.lacking)
    broken = _broken_tasks(preset.grids)
    named: dict[str, int] = {}
    for number, (case, training) in enumerate(preset.grids):
        if reason := lacking.get(case.configuration) or _means_nothing(case):
            left_out[case.key] = (case, reason)
        elif reason := broken.get((case.task, case.dial)) or _cannot_run(case, training):
            refused.setdefault(reason, case.key)
        elif case.key in jobs and jobs[case.key].training != training:
            refused.setdefault("named by two grids with different training settings; keep one of them", case.key)
        else:
            jobs[case.key] = Job(case, training, configuration=preset.configured.named(case.configuration))
            named.setdefault(case.key, bisect(preset.ends, number))
    if refused:
        lines = "\n".join(f"  {key}: {reason}" for reason, key in refused.items())
        raise PlanError(f"{preset.path.name} asks for cases that cannot be run; nothing was trained:\n{lines}")
    of_kind = {kind: [job.case for job in jobs.values() if job.case.kind == kind] for kind in KINDS}
    in_order = [
        # As in the preset, repetitions after one another.
        *sorted(of_kind["convergence"], key=lambda case: case.repetition),
        *sorted(of_kind["memory"], key=lambda case: case.repetition),
        *interleave.in_order(of_kind["time"]),
    ]
    ordered = [jobs[case.key] for case in in_order]
    family = _family([job.case for job in ordered], preset, {key: reason for key, (_, reason) in left_out.items()})
    grids = tuple(named[job.case.key] for job in ordered)
    return Plan(ordered, list(left_out.values()), family, _fingerprints(ordered), preset.configured.found, grids)


def _broken_tasks(grids: list[tuple[Case, Training]]) -> dict[tuple[str, Dial | None], str]:
    """What is wrong with each task, by name and dial, at the windows that it is asked for."""
    windows: defaultdict[tuple[str, Dial | None], set[int]] = defaultdict(set)
    for case, _ in grids:
        windows[case.task, case.dial].add(case.window)
    broken = {}
    for (name, dial), asked in windows.items():
        try:
            task_check.check(workload.task_of(name, dial), sorted(asked))
        except tasks.task.TaskError as error:
            broken[name, dial] = str(error)
    return broken


def _fingerprints(jobs: list[Job]) -> dict[str, str]:
    found: dict[str, str] = {}
    for case in (job.case for job in jobs):
        name = case.task if case.dial is None else f"{case.task}@{dials.write(case.dial)}"
        if name not in found:
            found[name] = workload.fingerprint([workload.task_of(case.task, case.dial)])
    return found


def _family(cases: list[Case], preset: Preset, left_out: dict[str, str]) -> list[tuple[str, str]]:
    """Return the declared comparisons in the order of the plan; of those whose cases are both left out there are none.

    Raises
    ------
    PlanError
        Naming each arm that a declared comparison needs and the plan lacks, why, and what to do.
    """
    place = {case: number for number, case in enumerate(cases) if case.kind == "convergence"}
    pairs = []
    lacking = {}
    for pair in dict.fromkeys(preset.family):
        missing = [case for case in pair if case not in place]
        if not missing:
            pairs.append(pair)
        elif len(missing) == 1:
            there, lacks = pair[missing[0] is pair[0]], missing[0]
            lacking[lacks.key] = (
                f"{lacks.key} beside {there.key}: "
                + left_out.get(lacks.key, f"no grid has it; add {lacks.regime!r} to a grid with this setting")
                + ", or take the comparison out of 'family'"
            )
    if lacking:
        lines = "\n".join(f"  {line}" for line in lacking.values())
        raise PlanError(f"{preset.path.name} declares comparisons whose other arm is not planned:\n{lines}")
    return [(first.key, second.key) for first, second in sorted(pairs, key=lambda pair: place[pair[0]])]


def _means_nothing(case: Case) -> str | None:
    if case.kernel == "cudnn" and (reason := _not_with_cudnn(case)):
        return reason
    if case.kernel == "fit" and regime_of(case.regime).sets_state:
        return f"Keras' fit sets no state between batches: run {case.regime} with another kernel, such as loop"
    if case.kernel == "loop_implementation_1" and case.cell == "simple_rnn":
        return "SimpleRNN has no implementation 1: one gate, one product"
    if case.kernel == "replicated" and case.dtype == "mixed_bfloat16":
        return "mixed_bfloat16 is a policy of Keras' layers; the replicated trainer computes in one dtype"
    return engines.lacks(case)


def _not_with_cudnn(case: Case) -> str | None:
    if case.device != "gpu":
        return "cuDNN needs a GPU: run with DEVICE=gpu"
    if case.cell not in CUDNN_CELLS:
        return f"cuDNN has no {case.cell}: it knows {' and '.join(CUDNN_CELLS)} (with reset_after)"
    return "cuDNN is asked for in float32 and mixed_bfloat16 alone" if case.dtype == "float64" else None


def _cannot_run(case: Case, training: Training) -> str | None:
    if case.kernel in UNROLLED and case.window > LONGEST_UNROLL:
        return f"unrolling {case.window} steps is beyond {LONGEST_UNROLL}: use kernel loop or xla, or a shorter window"
    if training.stop == "target" and not training.learning_rates:
        return "no learning rate to choose from"
    try:
        workload.build(case, training)
    except PlanError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a task may be anybody's code
        return f"its task {case.task!r} cannot be built: {type(error).__name__}: {error}"
    return None
