"""A record: what one case found, one line of ``records.jsonl``.

With what it holds of `bench.case.trained` and `bench.case.costs` this is its only definition. What measures a case
fills it, what reads a run checks by it (`bench.case.checked.decode`), and the tables of docs/records.md are made from
it. Every duration is in seconds, every size in bytes, and every number finite unless a field says otherwise; null
stands for what does not exist or is not known.
"""

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bench.case.cases import Case, Training, burn_in_steps
from bench.case.checked import Count, Definition, FaultError, Name, Positive, Seconds, Text, Timestamp, check, wrong
from bench.case.configurations import Configuration
from bench.case.costs import Memory, Timing
from bench.case.regimes import regime_of
from bench.case.trained import Convergence
from bench.warnings import Warn

Outcome = Literal["ok", "failed", "crashed", "timed-out", "out-of-memory"]


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

    commit: Annotated[str, Meta(pattern=r"^[0-9a-f]{3,64}\Z")]
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
    environment: dict[str, Text] = msgspec.field(default_factory=dict)
    device: Name | None = None
    engine: Name | None = None
    dtype: Name | None = None
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
        if self.outcome == "ok":
            check(self.message is None, "message", self.message, "null, since the case ended well")
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
            self._check_spent(body)
        for name, value in expected.items():
            found = getattr(body, name)
            if found != value:
                raise wrong(f"{case.kind}.{name}", found, f"{value}, as case and training say")
        warned = {
            Warn.OTHER_KERNEL: body.kernel_seen != case.kernel,
            Warn.MISALIGNED: of.misaligned and not isinstance(body, Memory),
        }
        if isinstance(body, Convergence):
            warned[Warn.RATE_AT_EDGE] = body.rate_at_edge
            warned[Warn.DIVERGED] = any(one.diverged for one in body.replicates if one.role == "evaluation")
            if body.tuning:
                warned[Warn.NO_RATE_REACHES] = not any(one.reached for one in body.tuning)
        if isinstance(body, Timing):
            warned[Warn.UNSETTLED] = not body.settled
        for code, found in warned.items():
            if (code in self.warnings) != found:
                raise wrong("warnings", self.warnings, f'a list {"with" if found else "without"} "{code}"')

    def _check_spent(self, body: Convergence) -> None:
        """Hold seeds and updates against those that the settings allow."""
        training = self.training
        most = training.epochs * body.updates_per_epoch
        check(body.budget in (None, most), "convergence.budget", body.budget, f"{most}, as training says")
        for number, one in enumerate(body.replicates):
            if one.updates[-1] > most:
                place = f"convergence.replicates[{number}].updates"
                raise wrong(place, one.updates[-1], f"at most {most}, the budget")
        evaluation = body.evaluation
        if evaluation and body.evaluate_every:
            updates = evaluation[0].updates
            widest = max(after - before for before, after in pairwise([0, *updates]))
            every = min(body.evaluate_every, body.updates_per_epoch)
            check(widest == every, "convergence.evaluate_every", body.evaluate_every, f"{widest}, as updates say")
        of_role = Counter((one.fold, one.learning_rate) for one in body.replicates if one.role == "tuning")
        expected: dict[tuple[int | None, float], int]
        if body.tuning:
            check(body.hold == training.hold, "convergence.hold", body.hold, f"{training.hold}, as training says")
            expected = {(one.fold, rate): training.tuning_seeds for one in body.tuning for rate in one.rates}
        else:
            expected = {(None, rate): training.tuning_seeds for rate in training.learning_rates}
        check(
            dict(of_role) == expected and len(evaluation) == training.evaluation_seeds,
            "convergence.replicates",
            len(body.replicates),
            "a replicate for each seed of training",
        )
