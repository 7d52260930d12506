"""How much training a case needs, as its record holds it."""

from collections import Counter
from operator import attrgetter, lt
from statistics import fmean, median_low
from typing import Annotated, Literal

from msgspec import Meta, field

from bench.case.checked import (
    Amount,
    Count,
    Definition,
    Duration,
    Error,
    FaultError,
    Positive,
    Rate,
    Share,
    Target,
    Text,
    check,
    wrong,
)

Predicts = Literal["sliding", "carried"]
Way = Literal["sliding", "carried", "positions"]

ROUNDED = 2e-3
"""Relative difference that rounding may make between an error and the target: published curves have four digits."""


_SEED = attrgetter("seed")


class Replicate(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """One training. `updates`, `error`, `loss` and `accuracy` have one entry an evaluation.

    Attributes
    ----------
    seed
        Unique within its role and learning rate: of the order of the data, of dropout, and of the initial weights.
    weights_seed
        That of the initial weights where several replicates begin from the same; missing where it is `seed`.
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
    weights_seed: Count | None = None
    role: Literal["tuning", "evaluation"]
    fold: Count | None = None
    draw: Count = 0
    target: Target | None = None
    learning_rate: Rate
    updates: Annotated[list[Positive], Meta(min_length=1)]
    error: Annotated[list[Error | None], Meta(min_length=1)]
    loss: list[float | None] = field(default_factory=list)
    accuracy: list[Share] = field(default_factory=list)
    reached: bool
    updates_to_target: Positive | None
    censored_at: Positive | None
    diverged: bool
    abandoned: bool = False

    def __post_init__(self) -> None:
        # Texts of errors are built where there is one: this runs some fifty times a record.
        updates, hit, censored = self.updates, self.updates_to_target, self.censored_at
        if not all(map(lt, updates, updates[1:])):
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
        replicates, each half of the targets at the evaluation that is best on the other half; of several draws one
        after another; null elsewhere, or where no replicate of a draw has one.
    simple
        There, by name: the same of simple predictions at the same targets.
    """

    count: Positive
    of: Positive
    relative_standard_error: Amount | None
    squared_errors: list[Amount] | None = None
    simple: dict[Text, list[Amount]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self.count <= self.of, "count", self.count, f"at most {self.of}, all that there are")
        told = {"squared_errors": self.squared_errors} | {f"simple.{name}": one for name, one in self.simple.items()}
        known = {name: len(errors) for name, errors in told.items() if errors is not None}
        for name, length in known.items():
            whole = length > 0 and length % self.count == 0
            check(whole, name, f"{length} errors", f"{self.count}, one a scored target, for each draw")
            first = next(iter(known.values()))
            check(length == first, name, f"{length} errors", f"{first}, as many as {next(iter(known))}")
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
    tuning: list[Tuning] = field(default_factory=list)
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
        self._check_scored()
        self._check_folds()
        rates = {one.fold: one for one in self.tuning}
        seen, tuned = set(), {one.seed for one in self.replicates if one.role == "tuning"}
        for number, one in enumerate(self.replicates):
            seed, rate, own = one.seed, one.learning_rate, rates.get(one.fold or 0)
            tried = own.rates if own else self.learning_rates
            chosen = own.chosen_rate if own else self.chosen_rate
            try:
                one.check_target(self.target, self.hold)
                if (one.role, rate, seed) in seen:
                    raise wrong("seed", seed, "one that no other replicate of this role and rate has")
                if one.role == "evaluation" and seed in tuned:
                    raise wrong("seed", seed, "one that did not choose the learning rate")
                if self.tuning and (one.fold not in rates or one.draw != rates[one.fold].draw):
                    raise wrong("fold", one.fold, f"one of tuning with draw {one.draw}")
                if one.role == "evaluation" and rate != chosen:
                    raise wrong("learning_rate", rate, f"chosen_rate, {chosen:g}")
                if rate not in tried:
                    raise wrong("learning_rate", rate, f"one of the rates tried, {tried}")
            except FaultError as error:
                raise error.at(f"replicates[{number}]") from error
            seen.add((one.role, rate, seed))
        count = sum(one.role == "evaluation" for one in self.replicates)
        for way, errors in self.evaluated_otherwise.items():
            place = f"evaluated_otherwise['{way}']"
            check(len(errors) == count, place, errors, f"{count} values, one for each evaluation replicate")

    def _check_scored(self) -> None:
        targets = {one.draw: one.target for one in self.replicates}
        for number, one in enumerate(self.replicates):
            if one.target != targets[one.draw]:
                raise wrong(
                    f"replicates[{number}].target", one.target, f"{targets[one.draw]}, as of others of its draw"
                )
        own = [target for target in targets.values() if target is not None]
        if len(own) == len(targets) == self.draws:
            mean = fmean(own)
            check(
                abs(self.target / mean - 1) < ROUNDED,
                "target",
                self.target,
                f"{mean:.6g}, the mean of those of the draws",
            )
        if self.scored.simple:
            curves = [one.error for one in self.replicates if one.role == "evaluation"]
            self._check_errors(curves)

    def _check_errors(self, curves: list[list[float | None]]) -> None:
        """Hold the errors at each scored target against the curves of the replicates that they are means over."""
        errors = self.scored.squared_errors
        known = [error for curve in curves for error in curve if error is not None]
        if len(known) < sum(map(len, curves)):
            return
        most = max(known, default=0.0)
        if errors is None:
            check(not curves, "scored.squared_errors", None, "a list, as of simple, since no replicate has diverged")
        # Each half of the targets has at most the error of all of them at some evaluation.
        elif fmean(errors) > 2 * (1 + ROUNDED) * most:
            raise wrong("scored.squared_errors", fmean(errors), f"a mean of at most {2 * most:.6g}, as the curves say")

    def _check_folds(self) -> None:
        """Hold replicates against the folds and draws that they belong to."""
        of_fold: Counter[int | None] = Counter()
        reached: set[int | None] = set()
        for number, one in enumerate(self.replicates):
            if one.draw >= self.draws:
                raise wrong(f"replicates[{number}].draw", one.draw, f"0 to {self.draws - 1}")
            if one.role == "evaluation":
                of_fold[one.fold] += 1
            elif one.reached:
                reached.add(one.fold)
            if one.abandoned and (one.reached or one.role == "evaluation"):
                raise wrong(f"replicates[{number}].abandoned", True, "false")
        for number, fold in enumerate(self.tuning):
            each = of_fold.total() // len(self.tuning)
            if of_fold[fold.fold] not in {each, each + 1}:
                raise wrong(f"tuning[{number}].fold", fold.fold, f"one of {each} or {each + 1} evaluation replicates")
            if fold.reached != (fold.fold in reached):
                raise wrong(f"tuning[{number}].reached", fold.reached, f"{str(not fold.reached).lower()}, as found")

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
        return sorted([one for one in self.replicates if one.role == "evaluation"], key=_SEED)
