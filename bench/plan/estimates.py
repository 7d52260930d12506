"""About what a case takes, before it has run: seconds to share a plan out by, and bytes to place it by."""

from bench import engines
from bench.case.cases import Case, Job
from bench.measure import workload
from bench.measure.convergence import slots_for
from bench.measure.workload import BLOCK_BYTES, Workload

START_S, TIME_S, MEMORY_S = 1.5, 2.0, 3.0
CELL_STEP_S = 7e-7
STOPPING = 0.5
"""Seconds of a convergence case's start, of a time and of a memory case, and of a cell step of one training; share of
the budget that trainings take which stop at their target. From the records of `quick` and `full` on two CPU cores: 80 %
of the cases take between 0.8 and 4.5 times their estimate, so that dozens of them even out and a few do not."""

MIB = 2**20
UNROLLED_STEP_BYTES, UNROLLED_XLA_STEP_BYTES = 2 * MIB, 12 * MIB
"""Of the graph and its compilation, for each cell step that is unrolled; where XLA compiles it."""

TORCH_STEP_WEIGHTS = 20
"""Copies of a layer's weights that PyTorch holds for each cell step of Keras' loop, which it takes from Python."""

WATCHED_STEP_BYTES = 45 * MIB
"""What its profiler notes of such a step in a memory case."""


def estimated_seconds(job: Job) -> float:
    """About how long a case takes on one core, in seconds: made to be added up, not to be believed."""
    case, training = job.case, job.training
    if case.kind != "convergence":
        return TIME_S if case.kind == "time" else MEMORY_S
    load = workload.build(case, training)
    trainings = training.evaluation_seeds + training.folds * training.tuning_seeds * len(training.learning_rates)
    steps = load.budget * trainings * load.schedule.steps * case.layers
    return START_S + CELL_STEP_S * steps * (STOPPING if training.stop == "target" else 1.0)


def estimated_bytes(job: Job) -> int:
    """About the most that a case's process takes of main memory, as its resident set.

    The framework with its compiler and, so many times as it takes (both in `bench.engines.Known`), the arrays: for each
    replicate of the block what `Workload.bytes_per_replicate` counts (weights, gradients, Adam's two moments,
    activations of every step and row), for each model that waits for its turn its weights and moments, and the series
    of every fold. What a graph keeps step by step comes on top: unrolled, a gradient of the weights each. Constants are
    from peaks measured here and in published records (docs/many-machines.md).
    """
    case = job.case
    known = engines.ENGINES[case.engine]
    load = workload.build(case, job.training)
    arrays = load.bytes_per_replicate + _of_series(load)
    if case.kind == "convergence":
        folds = min(job.training.folds, job.training.evaluation_seeds)
        arrays += (slots_for(load, folds) - 1) * load.bytes_per_replicate + _of_waiting(load, folds)
    each_step = load.schedule.steps * case.layers * _of_a_step(case, load.weight_bytes // case.layers)
    return known.resident_mib * MIB + known.workspace * arrays + each_step


def _of_a_step(case: Case, weight_bytes: int) -> int:
    """What is kept for each cell step, of a layer with weights of so many bytes."""
    if "unrolled" in case.kernel:
        xla = case.engine == "jax" or case.kernel == "xla_unrolled"
        return (UNROLLED_XLA_STEP_BYTES if xla else UNROLLED_STEP_BYTES) + weight_bytes
    if case.engine == "torch" and case.kernel == "loop":
        return TORCH_STEP_WEIGHTS * weight_bytes + (WATCHED_STEP_BYTES if case.kind == "memory" else 0)
    return 0


def _of_series(load: Workload) -> int:
    series = load.task.series()
    return 8 * len(load.draws) * load.rows_per_draw * int(series.inputs.shape[1] + series.targets.shape[1])


def _of_waiting(load: Workload, folds: int) -> int:
    training = load.training
    wave = max(training.evaluation_seeds, len(training.learning_rates) * training.tuning_seeds * folds)
    return min(BLOCK_BYTES, 3 * wave * load.weight_bytes) if load.case.kernel == "replicated" else 0
