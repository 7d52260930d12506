"""A record: what one case found, one line of ``records.jsonl``.

This is the only definition of it. What measures a case fills it, what reads a run checks by it (`decode`), and the
tables of docs/records.md are made from it. Every duration is in seconds, every size in bytes, and every number finite
unless a field says otherwise; null stands for what does not exist or is not known.
"""

import json
from collections import Counter
from itertools import pairwise
from statistics import median_low
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from bench.case import checked
from bench.case.cases import Case, Training, burn_in_steps
from bench.case.checked import MOST_COUNT, FaultError, check, wrong
from bench.case.configurations import Configuration
from bench.case.regimes import regime_of
from bench.warnings import Warn

SCHEMA: Final = 1
"""Version of all that a run writes; docs/records.md says when it goes up."""

ROUNDED = 2e-3
"""Relative difference that rounding may make between an error and the target: published curves have four digits."""

MOST_ERROR = 1e100
"""Errors beyond this are no number to calculate with: their training has diverged."""

Outcome = Literal["ok", "failed", "crashed", "timed-out", "out-of-memory"]
Predicts = Literal["sliding", "carried"]
Way = Literal["sliding", "carried", "positions"]

Count = Annotated[int, Meta(ge=0, le=MOST_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=MOST_COUNT)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Duration = Annotated[float, Meta(gt=0, le=1e9)]
Amount = Annotated[float, Meta(ge=0, le=1e18)]
Error = Annotated[float, Meta(ge=0, le=MOST_ERROR)]
Rate = Annotated[float, Meta(gt=0, le=1e6)]
Target = Annotated[float, Meta(gt=0, le=MOST_ERROR)]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(max_length=20_000)]
Timestamp = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00$")]


class Definition(Struct, frozen=True, kw_only=True, gc=False):
    """A part of a record; made of JSON, it holds no cycle that Python's collector would have to look for."""


class Phases(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """Wall seconds of a case's process.

    Attributes
    ----------
    total
        From request to record, less `wait`.
    wait
        Until it was its turn, which is part of nothing else; time cases.
    start
        Start of the process and imports.
    prepare
        Data and tracing; missing, as the next three, where the case did not end well.
    compile
        First call.
    train
        Compiled training with its evaluation inside.
    evaluate
        Evaluation after training.
    """

    total: Seconds
    wait: Seconds | None = None
    start: Seconds = 0.0
    prepare: Seconds | None = None
    compile: Seconds | None = None
    train: Seconds | None = None
    evaluate: Seconds | None = None


class Replicate(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """One training. `updates`, `error`, `loss` and `accuracy` have one entry an evaluation.

    Attributes
    ----------
    seed
        Unique within its role and learning rate.
    role
        Tuning replicates choose the learning rate, evaluation replicates decide.
    fold
        Which repetition of tuning and evaluation it belongs to; null in records that know no folds.
    draw
        Which draw of the task's data it was trained on.
    target
        The error to reach on the scored targets of that draw; null where it is the case's.
    learning_rate
        Of Adam.
    updates
        Weight updates made before each evaluation, ascending.
    error
        Mean error over the scored targets, in the task's unit; null where it is not a number.
    loss
        Mean training loss since the evaluation before; missing in published records, which keep what reports read.
    accuracy
        Of labels: share of the scored targets whose most probable label was right; empty where targets are numbers.
    reached
        Whether error <= target at `hold` evaluations in a row.
    updates_to_target
        Updates before the first of them; null = censored.
    censored_at
        All updates spent, where the target was not reached; else null.
    diverged
        Whether it ended with an error that is not a number.
    abandoned
        Whether it was given up in tuning, since another rate had already needed less.
    """

    seed: Count
    role: Literal["tuning", "evaluation"]
    fold: Count | None = None
    draw: Count = 0
    target: Target | None = None
    learning_rate: Rate
    updates: Annotated[list[Positive], Meta(min_length=1)]
    error: Annotated[list[Error | None], Meta(min_length=1)]
    loss: list[float | None] = []
    accuracy: list[Share] = []
    reached: bool
    updates_to_target: Positive | None
    censored_at: Positive | None
    diverged: bool
    abandoned: bool = False

    def __post_init__(self) -> None:
        # Texts of errors are built where there is one: this runs some fifty times a record.
        updates, hit, censored = self.updates, self.updates_to_target, self.censored_at
        if sorted(set(updates)) != updates:
            raise wrong("updates", updates, "ascending, each once")
        for name, values in (("error", self.error), ("loss", self.loss), ("accuracy", self.accuracy)):
            if values and len(values) != len(updates):
                raise wrong(name, values, f"{len(updates)} values, one for each of updates")
        if self.reached:
            if censored is not None:
                raise wrong("censored_at", censored, "null, since the target was reached")
            if hit is None or hit > updates[-1]:
                raise wrong("updates_to_target", hit, f"1 to {updates[-1]}, the last update")
        else:
            if hit is not None:
                raise wrong("updates_to_target", hit, "null, since the target was not reached")
            if censored != updates[-1]:
                raise wrong("censored_at", censored, f"{updates[-1]}, the last update")
        if self.diverged != (self.error[-1] is None):
            raise wrong("diverged", self.diverged, "whether the last error is null")

    @property
    def spent(self) -> int:
        """Updates to the target, or all where it was not reached."""
        spent = self.updates_to_target if self.reached else self.censored_at
        assert spent is not None
        return spent

    def check_target(self, target: float, hold: int) -> None:
        """Hold what was reached against the curve; `target` is the case's, for a replicate without its own.

        Raises
        ------
        FaultError
            If the curve meets the target elsewhere, or nowhere, or is not whole.
        """
        target = target if self.target is None else self.target
        updates, hit, sure = self.updates, self.updates_to_target, target * (1 - ROUNDED)
        first, held = None, 0
        for number, error in enumerate(self.error):
            held = held + 1 if error is not None and error <= sure else 0
            if held == hold:
                first = updates[number - hold + 1]
                break
        if hit is None:
            if first is not None:
                raise wrong("reached", self.reached, f"true, since the error is below the target at update {first}")
        elif hit in updates:
            at = updates.index(hit)
            errors = self.error[at : at + hold]
            if len(errors) < hold or any(error is None or error > target * (1 + ROUNDED) for error in errors):
                if len(updates) == 1 and self.role == "tuning":
                    return
                rows = "" if hold == 1 else f", as at the {hold - 1} evaluations after it"
                valid = f"an update whose error is at the target, {target:.6g}, or below{rows}"
                raise wrong("updates_to_target", hit, valid)
            if first is not None and first < hit:
                raise wrong("updates_to_target", hit, f"{first}, the first update with an error below the target")
        elif len(updates) > 1 or self.role != "tuning":  # of a published tuning curve only the end is kept
            raise wrong("updates_to_target", hit, "one of updates")


class Scored(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """The held-out targets that an evaluation scores.

    Attributes
    ----------
    count
        How many.
    of
        Of how many that there are.
    relative_standard_error
        Standard error of the arm's own error over those targets / its mean, median over replicates: how much the choice
        of targets matters.
    squared_errors
        Of a real series: the arm's error at each scored target (of labels the cross-entropy), mean over evaluation
        replicates, each half of the targets at the evaluation that is best on the other half; null elsewhere, or where
        no replicate has one.
    simple
        There, by name: the same of simple predictions at the same targets.
    """

    count: Positive
    of: Positive
    relative_standard_error: Amount | None
    squared_errors: list[Amount] | None = None
    simple: dict[Text, list[Amount]] = {}

    def __post_init__(self) -> None:
        check(self.count <= self.of, "count", self.count, f"at most {self.of}, all that there are")
        told = {"squared_errors": self.squared_errors} | {f"simple.{name}": one for name, one in self.simple.items()}
        for name, errors in told.items():
            if errors is not None:
                check(len(errors) == self.count, name, f"{len(errors)} errors", f"{self.count}, one a scored target")
        if self.squared_errors is not None:
            trivial = any(not name.startswith("linear") for name in self.simple)
            check(trivial, "simple", sorted(self.simple), "at least one prediction that is not linear")


class Tuning(Definition, frozen=True, kw_only=True):
    """How the learning rate of a fold was chosen.

    Attributes
    ----------
    fold
        Counted from 0.
    draw
        Which draw of the task's data its replicates were trained on.
    rates
        All that were tried: the grid, and what was added while the best was at its edge.
    chosen_rate
        The one that the fold's evaluation replicates were trained with.
    reached
        Whether any of its tuning replicates reached the target.
    at_edge
        Whether the chosen rate is the least or the largest of several tried.
    """

    fold: Count
    draw: Count
    rates: Annotated[list[Rate], Meta(min_length=1)]
    chosen_rate: Rate
    reached: bool
    at_edge: bool

    def __post_init__(self) -> None:
        check(self.chosen_rate in self.rates, "chosen_rate", self.chosen_rate, f"one of rates, {self.rates}")
        edge = len(self.rates) > 1 and self.chosen_rate in {min(self.rates), max(self.rates)}
        check(self.at_edge == edge, "at_edge", self.at_edge, f"{str(edge).lower()}, as rates say")


class Convergence(Definition, frozen=True, kw_only=True):
    """How much training a case needs.

    Errors are means over the same `scored.count` held-out targets for every arm, in the task's unit, the arm predicting
    as it would be used (`predicts`): mean squared errors, or mean cross-entropies where `loss` says so.

    Attributes
    ----------
    parameters
        Trainable parameters.
    outputs
        Of the dense head.
    predicts
        How the arm is evaluated: from a window that slides, or with its state carried.
    steps_per_prediction
        Cell steps for one prediction that way.
    target
        The error to reach on the scored targets, mean over the draws.
    target_rule
        Where the target comes from.
    hold
        Evaluations in a row at which the target must be met to be reached.
    loss
        What training lessens and errors are counted in: mse, or the crossentropy of labels, in nats.
    majority
        Of labels: accuracy of always predicting the one that is most frequent in training, on the scored targets of
        the first draw; null where targets are numbers.
    trivial
        Error of predicting without a network.
    optimum
        Least error that any predictor can have; null where the task does not state it.
    stateless_floor
        Least error for one that sees a window alone, on the scored targets where the task knows its best prediction,
        mean over the draws; null where the task does not state it.
    baselines
        Errors over all held-out targets after the warm-up, of which `scored` are a part.
    draws
        Draws of the task's data that its folds were trained on; 1 for a real series.
    data_sha256
        Fingerprint of all of them; null in records that know none.
    scored
        The targets that an evaluation scores.
    updates_per_epoch
        Weight updates in a pass over the training targets.
    targets_per_update
        Batch size x targets in a window.
    cell_steps_per_update
        Batch size x (window + burn-in) x layers.
    budget
        Updates that a replicate may make; null in records that do not say.
    evaluate_every
        Updates between evaluations where these were equally far apart, as in older records; else null.
    learning_rates
        The grid.
    tuning
        How each fold's rate was chosen; empty in records that know no folds.
    chosen_rate
        The one chosen on the tuning seeds, median over the folds (the lower of two).
    rate_at_edge
        Whether the one of any fold is the least or the largest of several tried.
    replicates
        Every training.
    seconds_per_update
        Steady state, per replicate; one sample a compiled call (its wall time / updates / replicates).
    kernel_seen
        The kernel that ran, read from the graph.
    evidence
        The op counts that it was read from.
    replicates_in_block
        Replicates trained side by side in one compiled computation.
    evaluated_otherwise
        After training, all ways of predicting over the same targets: one error for each evaluation replicate.
    """

    parameters: Positive
    outputs: Positive = 1
    predicts: Predicts
    steps_per_prediction: Positive
    target: Target
    target_rule: Text
    hold: Positive = 1
    loss: Literal["mse", "crossentropy"] = "mse"
    majority: Share | None = None
    trivial: Error | None
    optimum: Error | None
    stateless_floor: Error | None
    baselines: dict[str, Error]
    draws: Positive = 1
    data_sha256: Text | None = None
    scored: Scored
    updates_per_epoch: Positive
    targets_per_update: Positive
    cell_steps_per_update: Positive
    budget: Positive | None = None
    evaluate_every: Positive | None = None
    learning_rates: Annotated[list[Rate], Meta(min_length=1)]
    tuning: list[Tuning] = []
    chosen_rate: Rate
    rate_at_edge: bool
    replicates: Annotated[list[Replicate], Meta(min_length=1)]
    seconds_per_update: Annotated[list[Duration], Meta(min_length=1)]
    kernel_seen: Text
    evidence: dict[str, Count]
    replicates_in_block: Positive
    evaluated_otherwise: dict[Way, list[Error | None]]

    def __post_init__(self) -> None:
        self._check_rates()
        rates = {one.fold: one for one in self.tuning}
        seen = set()
        for number, one in enumerate(self.replicates):
            seed, rate, own = one.seed, one.learning_rate, rates.get(one.fold or 0)
            tried = own.rates if own else self.learning_rates
            chosen = own.chosen_rate if own else self.chosen_rate
            try:
                one.check_target(self.target, self.hold)
                if (one.role, rate, seed) in seen:
                    raise wrong("seed", seed, "one that no other replicate of this role and rate has")
                if self.tuning and (one.fold not in rates or one.draw != rates[one.fold].draw):
                    raise wrong("fold", one.fold, f"one of tuning with draw {one.draw}")
                if one.role == "evaluation" and rate != chosen:
                    raise wrong("learning_rate", rate, f"chosen_rate, {chosen:g}")
                if rate not in tried:
                    raise wrong("learning_rate", rate, f"one of the rates tried, {tried}")
            except FaultError as error:
                raise error.at(f"replicates[{number}]") from error
            seen.add((one.role, rate, seed))
        count = len(self.evaluation)
        for way, errors in self.evaluated_otherwise.items():
            place = f"evaluated_otherwise['{way}']"
            check(len(errors) == count, place, errors, f"{count} values, one for each evaluation replicate")

    def _check_rates(self) -> None:
        grid = self.learning_rates
        if self.tuning:
            edge = any(one.at_edge for one in self.tuning)
            tried = sorted(one.chosen_rate for one in self.tuning)
            middle = median_low(tried)
            check(self.chosen_rate == middle, "chosen_rate", self.chosen_rate, f"{middle:g}, the median of tuning's")
        else:
            edge = len(grid) > 1 and self.chosen_rate in {min(grid), max(grid)}
            check(self.chosen_rate in grid, "chosen_rate", self.chosen_rate, f"one of learning_rates, {grid}")
        check(self.rate_at_edge == edge, "rate_at_edge", self.rate_at_edge, f"{str(edge).lower()}, as the rates say")

    @property
    def evaluation(self) -> list[Replicate]:
        """The replicates that decide, in order of seed."""
        return sorted((one for one in self.replicates if one.role == "evaluation"), key=lambda one: one.seed)


class Accelerator(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU while a case was timed (NVML); what it does not tell is missing.

    Attributes
    ----------
    load
        Share of the time in which it computed.
    clock_mhz
        Clock, in MHz.
    watts
        Power, in W.
    celsius
        Temperature, in °C.
    slowed_by
        Why it was slower than asked for, at any time.
    energy_joules
        Energy, in J.
    """

    load: Share | None = None
    clock_mhz: Amount | None = None
    watts: Amount | None = None
    celsius: float | None = None
    slowed_by: list[Text]
    energy_joules: Amount | None


class Frequency(Definition, frozen=True, kw_only=True):
    """Clock of the processor, in MHz.

    Attributes
    ----------
    least
        Lowest sample.
    median
        Middle one.
    most
        Highest.
    """

    least: Amount
    median: Amount
    most: Amount


class Watched(Definition, frozen=True, kw_only=True):
    """What the operating system told during a case's own blocks of updates, never estimated.

    Attributes
    ----------
    seconds
        Time that was watched.
    own_cores
        Cores' worth of time that this process took.
    other_load
        Share of all cores that other processes took; null where too short to say.
    steal
        Share of the time that a host took away.
    swapped_bytes
        Swapped in and out, in bytes.
    throttled
        Times that a core was slowed down for its heat.
    frequency_mhz
        Clock of the processor.
    energy_joules
        Energy of each package (RAPL), in J, whatever ran on it.
    accelerators
        One entry a GPU.
    updates
        Updates in that time, the warm-up's included.
    """

    seconds: Seconds
    own_cores: Amount | None
    other_load: Amount | None
    steal: Share
    swapped_bytes: Count
    throttled: Count | None
    frequency_mhz: Frequency | None
    energy_joules: dict[str, Amount] | None
    accelerators: list[Accelerator]
    updates: Count


class Inference(Definition, frozen=True, kw_only=True):
    """A forward pass of a batch, timed in the same process after the updates.

    Attributes
    ----------
    first_call_seconds
        Trace, compile and first execution.
    compile_seconds
        First call less one steady call.
    warm_up_blocks
        Blocks made before the samples.
    settled
        Whether the two halves of the samples agree.
    calls_per_block
        Passes in one timed block.
    seconds_per_call
        One sample a block, steady state.
    """

    first_call_seconds: Seconds
    compile_seconds: Seconds
    warm_up_blocks: Count
    settled: bool
    calls_per_block: Positive
    seconds_per_call: Annotated[list[Duration], Meta(min_length=1)]


class Whole(Definition, frozen=True, kw_only=True):
    """One training timed whole, from the first call of a fresh model to the target or the last epoch.

    Attributes
    ----------
    seconds
        Tracing and compiling included, evaluations not.
    evaluate_seconds
        Evaluations.
    updates
        Weight updates made.
    calls
        Calls of the compiled function.
    reached
        Whether the target was reached.
    error
        Error at the end; null where it is not a number.
    learning_rate
        Of Adam.
    """

    seconds: Duration
    evaluate_seconds: Seconds
    updates: Positive
    calls: Positive
    reached: bool
    error: Error | None
    learning_rate: Rate


class Timing(Definition, frozen=True, kw_only=True):
    """What an update costs: real Keras layers, one model, one compiled function for the whole epoch.

    Attributes
    ----------
    parameters
        Trainable parameters.
    outputs
        Of the dense head.
    first_call_seconds
        Trace, compile and first execution.
    compile_seconds
        First call less one steady call.
    warm_up_blocks
        Blocks made before the samples, until two halves agreed.
    settled
        Whether the two halves of the samples agree.
    updates_per_block
        Updates in one timed block.
    seconds_per_update
        One sample a block, steady state.
    overhead_seconds_per_update
        The same block through the same loop with nothing in it, the harness's own part of `seconds_per_update`; null
        for an engine that cannot idle.
    cell_steps_per_update
        Batch size x (window + burn-in) x layers.
    targets_per_update
        Batch size x targets in a window.
    features
        Inputs of the first layer; null in older records.
    kernel_seen
        The kernel that ran, read from the graph.
    evidence
        The op counts it was read from; "ops a step" and "ops an update" are how many operations stand inside and
        outside recurrent loops.
    load
        Load average per core just before.
    machine
        What the operating system told meanwhile.
    inference
        Forward passes, with ``inference = true``.
    whole
        One training timed whole, with ``whole_epochs``.
    group
        Name of the group of processes that took turns with this one: block k of one, counted from the first of the
        warm-up, stands in time beside block k of the others; null where it was alone.
    """

    parameters: Positive
    outputs: Positive = 1
    first_call_seconds: Seconds
    compile_seconds: Seconds
    warm_up_blocks: Count = 0
    settled: bool
    updates_per_block: Positive
    seconds_per_update: Annotated[list[Duration], Meta(min_length=1)]
    overhead_seconds_per_update: list[Seconds] | None = None
    cell_steps_per_update: Positive
    targets_per_update: Positive
    features: Positive | None = None
    kernel_seen: Text
    evidence: dict[str, Count]
    load: Amount
    machine: Watched | None = None
    inference: Inference | None = None
    whole: Whole | None = None
    group: Text | None = None


class Memory(Definition, frozen=True, kw_only=True):
    """What training takes in memory, in another process than the one that was timed.

    Attributes
    ----------
    allocator_peak_bytes
        Peak of the engine's allocator while training (steady state); on jax since the process began, compilation
        included. In bytes, as the next three.
    compile_peak_bytes
        Peak of the same allocator during the first call.
    resident_peak_bytes
        Peak resident memory of the process (VmHWM).
    resident_before_bytes
        Resident memory with the framework imported, before the model.
    parameters
        Trainable parameters.
    outputs
        Of the dense head.
    cell_steps_per_update
        Batch size x (window + burn-in) x layers.
    features
        Inputs of the first layer; null in older records.
    kernel_seen
        The kernel that ran, read from the graph.
    evidence
        The op counts that it was read from.
    """

    allocator_peak_bytes: Count | None
    compile_peak_bytes: Count | None
    resident_peak_bytes: Positive
    resident_before_bytes: Positive
    parameters: Positive
    outputs: Positive = 1
    cell_steps_per_update: Positive
    features: Positive | None = None
    kernel_seen: Text
    evidence: dict[str, Count]


Body = Convergence | Timing | Memory
"""What was found, by the case's kind."""


class Git(Definition, frozen=True, kw_only=True):
    """The code that ran.

    Attributes
    ----------
    commit
        Its name.
    dirty
        Whether the working tree differed from it.
    """

    commit: Annotated[str, Meta(pattern=r"^[0-9a-f]{3,64}$")]
    dirty: bool


class Asked(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """A configuration, as a preset names it; missing is what does not differ from the usual.

    Attributes
    ----------
    name
        As tables show it.
    cores
        How many the process may use.
    environment
        Variables that are set before the framework is imported.
    device, engine, dtype
        They replace those of every case.
    python
        Path of another interpreter, from the preset's folder.
    """

    name: Text
    cores: Positive | None = None
    environment: dict[str, Text] = {}
    device: Text | None = None
    engine: Text | None = None
    dtype: Text | None = None
    python: Text | None = None


class Seen(Definition, frozen=True, kw_only=True):
    """What the process of a configuration had, by its own account after the measurement.

    Attributes
    ----------
    cores
        Those that any of its threads may use, by number.
    threads
        How many it had.
    environment
        Variables that decide how fast frameworks compute, and those that were asked for.
    flags
        What the framework says of itself, such as whether it uses oneDNN.
    accelerators
        GPUs that each engine sees.
    versions
        Of what its interpreter has installed.
    git
        The code that ran; null where that is not known.
    """

    cores: list[Count]
    threads: Count
    environment: dict[str, Text]
    flags: dict[str, bool]
    accelerators: dict[str, list[Text]]
    versions: dict[str, Text]
    git: Git | None


class Configured(Definition, frozen=True, kw_only=True):
    """The configuration of a case.

    Attributes
    ----------
    asked
        What it was to have.
    seen
        What it had; null where it did not end well, as one does whose configuration had no effect.
    """

    asked: Asked
    seen: Seen | None


def asked_of(configuration: Configuration) -> Asked:
    """A configuration as records hold it."""
    return msgspec.convert(configuration.to_dict(), Asked)


class Record(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """One case, as one line of ``records.jsonl``.

    Attributes
    ----------
    schema
        Version of this definition.
    key
        "<kind>/<case id>", unique in the run.
    case
        What was measured.
    training
        The settings it ran under.
    outcome
        "failed": a Python error; "crashed": killed by a signal.
    message
        The end of the error output; null where it ended well.
    started
        ISO 8601, UTC.
    seconds
        Where the time went.
    warnings
        Codes of bench/warnings.py.
    configuration
        Of a case that names one; missing for the usual way.
    convergence, time, memory
        What was found: one of them, by the case's kind, and only where the outcome is "ok".
    """

    schema: Literal[1]
    key: Text
    case: Case
    training: Training
    outcome: Outcome
    message: Text | None
    started: Timestamp
    seconds: Phases
    warnings: list[Warn]
    configuration: Configured | None = None
    convergence: Convergence | None = None
    time: Timing | None = None
    memory: Memory | None = None

    def __post_init__(self) -> None:
        case = self.case
        check(self.key == case.key, "key", self.key, f"{case.key}, as the case says")
        asked = self.configuration.asked.name if self.configuration else ""
        check(asked == case.configuration, "configuration", asked, f"{case.configuration!r}, as the case says")
        parts = {"convergence": self.convergence, "time": self.time, "memory": self.memory}
        for kind, part in parts.items():
            wanted = self.outcome == "ok" and kind == case.kind
            if wanted and part is None:
                raise FaultError(kind, "is missing, though the outcome is ok")
            if part is not None and not wanted:
                raise FaultError(kind, f"is there, though this is a {case.kind} case with outcome {self.outcome}")
        if self.body is not None:
            self._check_body(self.body)

    @property
    def body(self) -> Body | None:
        """What was found, whatever the kind; None where the case did not end well."""
        return self.convergence or self.time or self.memory

    def _check_body(self, body: Body) -> None:
        """Hold what was found against case and settings, from which much of it follows."""
        case, training, of = self.case, self.training, regime_of(self.case.regime)
        steps = case.window + burn_in_steps(case, training)
        expected: dict[str, Any] = {"cell_steps_per_update": case.batch_size * steps * case.layers}
        if not isinstance(body, Memory):
            expected["targets_per_update"] = case.batch_size * (1 if of.stride_one else case.window)
        if isinstance(body, Convergence):
            expected |= {
                "predicts": of.predicts,
                "steps_per_prediction": 1 if of.predicts == "carried" else steps,
                "learning_rates": list(training.learning_rates),
            }
        if isinstance(body, Convergence):
            self._check_spent(body)
        for name, value in expected.items():
            found = getattr(body, name)
            check(found == value, f"{case.kind}.{name}", found, f"{value}, as case and training say")
        warned = {
            Warn.OTHER_KERNEL: body.kernel_seen != case.kernel,
            Warn.MISALIGNED: of.misaligned and not isinstance(body, Memory),
        }
        if isinstance(body, Convergence):
            warned[Warn.RATE_AT_EDGE] = body.rate_at_edge
            warned[Warn.DIVERGED] = any(one.diverged for one in body.evaluation)
        if isinstance(body, Timing):
            warned[Warn.UNSETTLED] = not body.settled
        for code, found in warned.items():
            told = "with" if found else "without"
            check((code in self.warnings) == found, "warnings", self.warnings, f'a list {told} "{code}"')

    def _check_spent(self, body: Convergence) -> None:
        """Hold seeds and updates against those that the settings allow."""
        training = self.training
        most = training.epochs * body.updates_per_epoch
        for number, one in enumerate(body.replicates):
            if one.updates[-1] > most:
                place = f"convergence.replicates[{number}].updates"
                raise wrong(place, one.updates[-1], f"at most {most}, the budget")
        if body.evaluation and body.evaluate_every:
            updates = body.evaluation[0].updates
            widest = max(after - before for before, after in pairwise([0, *updates]))
            every = min(body.evaluate_every, body.updates_per_epoch)
            check(widest == every, "convergence.evaluate_every", body.evaluate_every, f"{widest}, as updates say")
        of_role = Counter((one.fold, one.learning_rate) for one in body.replicates if one.role == "tuning")
        expected: dict[tuple[int | None, float], int]
        if body.tuning:
            expected = {(one.fold, rate): training.tuning_seeds for one in body.tuning for rate in one.rates}
        else:
            expected = {(None, rate): training.tuning_seeds for rate in training.learning_rates}
        check(
            dict(of_role) == expected and len(body.evaluation) == training.evaluation_seeds,
            "convergence.replicates",
            len(body.replicates),
            "a replicate for each seed of training",
        )


_DECODER = msgspec.json.Decoder(Record)


def decode(line: bytes) -> Record:
    """Read one line of ``records.jsonl``.

    Raises
    ------
    bench.case.checked.FaultError
        Naming the field, its value and what is valid.
    bench.case.checked.OtherSchemaError
        If a later version wrote it.
    """
    return checked.decode(line, _DECODER, SCHEMA)


def encode(record: Record) -> bytes:
    """A record as its line, without the line's end."""
    return json.dumps(msgspec.to_builtins(record), allow_nan=False).encode()
