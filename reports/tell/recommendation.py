"""What a report begins with: series that need no network, and for a user's own series the arm to train and its code."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import tasks
from bench.case.record import Record
from bench.case.run_record import OwnSeries
from reports.claim.arms import Arm, Asked, Comparison, compare
from reports.claim.learnt import LINEAR_IS_ENOUGH, Learnt, learnt
from reports.collect.grouping import Setting, arms_by_setting, engines_of
from reports.collect.read import Run
from reports.collect.records import body, median_seconds_per_update
from reports.costs.roofline import flops_per_update
from reports.formatting import count, limited, listing, plain
from reports.statistics.intervals import Ratio
from reports.statistics.verdict import shown_above_half
from tasks.csv_series.request import Request

REGIMES = ("stateless", "stateless-burnin", "stateless-sliding", "stateful")
"""Ways of training that one would use; the other regimes are controls."""

LAYERS = {
    "lstm": ("LSTM", "", 2),
    "gru": ("GRU", ", reset_after=True", 1),
    "gru_reset_before": ("GRU", ", reset_after=False", 1),
    "simple_rnn": ("SimpleRNN", "", 1),
}
"""Keras' layer of each cell, its options, and how many arrays of state it has."""

LIBRARY = repr(str(Path(__file__).resolve().parents[2]))
"""Where the code finds this project, as a Python string."""


@dataclass(frozen=True)
class Candidate:
    """An arm, and what it costs beside the cheapest, in floating-point operations of training to the target."""

    setting: Setting
    arm: Arm
    over_cheapest: Comparison

    @property
    def regime(self) -> str:
        """How it is trained."""
        return self.arm.record.case.regime

    @property
    def ratio(self) -> Ratio:
        """Its cost over that of the cheapest."""
        judged = self.over_cheapest.flops
        assert judged is not None  # only arms whose operations can be counted are candidates
        return judged.ratio

    @property
    def flops(self) -> float:
        """Expected operations of training to the target: updates x operations of an update."""
        return self.arm.ert * _flops(self.arm.record)

    @property
    def seconds(self) -> float:
        """Expected seconds of training to the target, with what was measured beside other cases."""
        return self.arm.ert * median_seconds_per_update(body(self.arm.record))


@dataclass(frozen=True)
class Choice:
    """One thing to choose.

    Attributes
    ----------
    value
        That of the cheapest arm.
    others
        For each other value the cheapest reliable arm that has it, cheapest first.
    unreliable
        For each value that no reliable arm has the cheapest arm that has it.
    failing
        Those of them of which every arm was shown to fail in more than half of all trainings.
    """

    name: str
    value: str
    others: dict[str, Candidate]
    unreliable: dict[str, Candidate]
    failing: list[str]

    @property
    def open(self) -> list[str]:
        """Values not distinguishable from the cheapest arm's: not shown to fail, and the interval reaches down to 1."""
        possible = self.others | {value: one for value, one in self.unreliable.items() if value not in self.failing}
        return [value for value, one in possible.items() if not one.ratio.low > 1]


@dataclass(frozen=True)
class Recommendation:
    """What follows for one task, from the arms of one engine.

    Attributes
    ----------
    reliable
        Arms that were shown to reach the target in more than half of all trainings, the cheapest first.
    series
        What is known of the user's own series; None where the task knows its series.
    unreliable
        All others, the cheapest first; empty where no arm is reliable, as there is none to compare them with.
    tried
        How many arms there were.
    nearest
        The arm with most successes, where none is reliable.
    learnt
        Whether any arm predicts better than simple predictions do; None where the records do not tell.
    """

    task: str
    engine: str
    series: OwnSeries | None
    reliable: list[Candidate]
    unreliable: list[Candidate]
    tried: int
    nearest: Arm
    learnt: Learnt | None = None

    @property
    def given(self) -> bool:
        """Whether anything is recommended: an arm is reliable, and one learnt what simple predictions do not know."""
        return bool(self.reliable) and self.nothing_learnt is None

    @property
    def nothing_learnt(self) -> str | None:
        """What to say where no arm beats a simple prediction."""
        return self.learnt.sentence if self.learnt else None

    @property
    def target_is_trivial(self) -> bool:
        """Whether the target is the error of the trivial prediction, since a line is no better."""
        found = body(self.nearest.record)
        return found.trivial is not None and found.target >= found.trivial

    @property
    def best(self) -> Candidate:
        """The cheapest reliable arm."""
        return self.reliable[0]

    @cached_property
    def choices(self) -> list[Choice]:
        """Regime, cell, window, width and batch size."""
        return [self._choice(name, value) for name, value in VALUES.items()]

    @property
    def answer(self) -> str:
        """Whether to carry state: the cheapest arm that does against the cheapest that does not."""
        carrying = self._choice("", lambda arm: "yes" if arm.record.case.regime == "stateful" else "no")
        if carrying.open:
            return "Whether to carry state is inconclusive here"
        if not carrying.others and not carrying.unreliable:
            return "Whether to carry state was not tried"
        return "Carry state" if carrying.value == "yes" else "Do not carry state"

    @property
    def of_each_regime(self) -> list[Candidate]:
        """The cheapest reliable arm of each regime, cheapest first."""
        return [self.best, *self.choices[0].others.values()]

    @property
    def code(self) -> dict[str, Any]:
        """What the code needs to know, beside the series: all of it from the arm's record."""
        record = self.best.arm.record
        case, found, training = record.case, body(record), record.training
        steps = round(found.cell_steps_per_update / (case.batch_size * case.layers))
        layer, options, states = LAYERS[case.cell]
        return {
            "layer": layer,
            "options": options,
            "states": states,
            "carried": case.regime == "stateful",
            "regime": case.regime,
            "layers": case.layers,
            "units": case.units,
            "window": case.window,
            "burn_in": steps - case.window,
            "every_row": case.regime == "stateless-sliding",
            "batch_size": case.batch_size,
            "rate": found.chosen_rate,
            "dropout": training.dropout,
            "epochs": training.epochs,
            "scored": found.scored.count,
            "task": case.task,
            "dial": case.dial,
            "module": self.module,
            "library": LIBRARY,
        } | self._of_series

    @property
    def fullest(self) -> Record | None:
        """The arm of the least error of those that trained to the end of the budget; None where there is none."""
        return next(iter(self.learnt.tested), None) if self.learnt else None

    @property
    def by_series(self) -> list[tuple[str, int, float, dict[str, float]]]:
        """Of several series, worst first: name, scored targets, error of `fullest` and of simple predictions there.

        Empty for one series, and where no record holds errors target by target.
        """
        if self.series is None or not self.series.members or self.fullest is None:
            return []
        scored = body(self.fullest).scored
        series = tasks.create(self.fullest.case.task).series()
        rows = series.scored[np.linspace(0, len(series.scored) - 1, scored.count).round().astype(int)]
        names = np.array(self.series.parts)[np.searchsorted(series.starts, rows, side="right") - 1]
        errors = {name: np.array(one) for name, one in scored.simple.items()}
        own = np.array(scored.squared_errors)
        found = []
        for name in dict.fromkeys(names):
            here = names == name
            others = {other: float(one[here].mean()) for other, one in errors.items()}
            found.append((str(name), int(here.sum()), float(own[here].mean()), others))
        return sorted(found, key=lambda one: -one[2])

    @property
    def module(self) -> str:
        """Name of the file that the code stands in, without its ending."""
        engine = "" if self.engine == "tensorflow" else f"_{self.engine}"
        name = self.series.slug if self.series else re.sub(r"[^A-Za-z0-9]+", "_", self.task).strip("_")
        return f"recommended_{name}{engine}"

    @property
    def _of_series(self) -> dict[str, Any]:
        """How the code reads the user's own file, and what a row of it is; no request where the task has a series."""
        if not self.series:
            return {
                "title": f"the series of {self.task}",
                "columns": ["..."],
                "member": "",
                "request": "",
                "sequences": False,
                "labels": False,
                "names_label": False,
                "masked": False,
                "flagged": False,
                "follows": "what follows it",
            }
        about = self.series
        known = {one.name for one in fields(Request)} - {"path"}
        asked = {"column": about.column.replace(", ", ","), "time": about.time or "none"} | about.options
        asked |= {"labels": True} if about.labels else {}
        options = {name: tuple(one) if isinstance(one, list) else one for name, one in asked.items() if name in known}
        own = about.column.split(", ") if about.past else []
        when = {0: "at the same time", 1: "next"}.get(about.ahead, f"{about.ahead} steps later")
        return {
            "title": _harmless(f"{about.column} of {about.file}"),
            "columns": [_harmless(one) for one in [*own, *about.inputs]],
            "sequences": bool(about.parts),
            "member": _harmless(next(iter(about.members), "")),
            "outputs": about.targets,
            "labels": bool(about.labels),
            # Where the past is seen, a row is given with its label by name.
            "names_label": bool(about.labels) and about.past,
            "masked": about.options.get("fill") == "mask",
            "flagged": any(one.endswith(" missing") for one in about.inputs),
            "path": ascii(about.path or about.file),
            "request": "".join(f", {name}={one!a}" for name, one in options.items()),
            "follows": _harmless(f"{about.column} {when}"),
        }

    def _choice(self, name: str, value: Callable[[Arm], str]) -> Choice:
        cheapest: dict[str, Candidate] = {}
        for one in self.reliable:  # the cheapest first
            cheapest.setdefault(value(one.arm), one)
        own = value(self.best.arm)
        without: defaultdict[str, list[Candidate]] = defaultdict(list)
        for one in self.unreliable:
            if value(one.arm) not in cheapest:
                without[value(one.arm)].append(one)
        return Choice(
            name,
            own,
            {other: one for other, one in cheapest.items() if other != own},
            {other: here[0] for other, here in without.items()},
            [other for other, here in without.items() if all(shown_to_fail(one.arm) for one in here)],
        )


def _harmless(text: str) -> str:
    """Text for a docstring or a message within code: nothing in it ends that or is read as code."""
    return re.sub(r"[^\w .,:;()/%+°-]", "_", text)


def shown_to_fail(arm: Arm) -> bool:
    """Whether more than half of all trainings were shown to miss the target."""
    return shown_above_half(arm.n - arm.hits, arm.n)


@lru_cache(maxsize=4)
def recommendations(run: Run) -> list[Recommendation]:
    """Recommend for each task of a run that is a real series, one whose optimum nobody knows, by each engine."""
    by_task: defaultdict[tuple[str, str], list[tuple[Setting, Record]]] = defaultdict(list)
    for setting, arms in arms_by_setting(run).items():
        for regime, record in arms.items():
            usable = regime in REGIMES and setting.cell in LAYERS and flops_per_update(record) is not None
            if usable and body(record).optimum is None:
                by_task[setting.task_name, setting.engine].append((setting, record))
    return [_recommend(run, task, engine, arms) for (task, engine), arms in by_task.items()]


def _recommend(run: Run, task: str, engine: str, arms: list[tuple[Setting, Record]]) -> Recommendation:
    alone = [(one.setting, one.a) for one in compare([Asked(setting, record, record) for setting, record in arms])]
    alone.sort(key=lambda one: one[1].ert * _flops(one[1].record))
    # An arm that reaches the target and loses it again is not one to name.
    lasts = {id(arm): arm.rate_found and shown_above_half(arm.lasting, arm.n) for _, arm in alone}
    reliable = [(setting, arm) for setting, arm in alone if lasts[id(arm)]]
    rest = [(setting, arm) for setting, arm in alone if reliable and not lasts[id(arm)]]

    def candidates(some: list[tuple[Setting, Arm]]) -> list[Candidate]:
        beside = compare([Asked(setting, arm.record, reliable[0][1].record) for setting, arm in some])
        return [Candidate(setting, arm, one) for (setting, arm), one in zip(some, beside, strict=True)]

    return Recommendation(
        task=task,
        engine=engine,
        series=run.series,
        reliable=candidates(reliable),
        unreliable=candidates(rest),
        tried=len(arms),
        nearest=max((arm for _, arm in alone), key=lambda arm: arm.hits / arm.n),
        learnt=learnt([record for _, record in arms]),
    )


def _flops(record: Record) -> float:
    return flops_per_update(record) or 0.0


def _cell(setting: Setting) -> str:
    return setting.cell_name if setting.layers == 1 else f"{setting.cell_name}, {setting.layers} layers"


VALUES: dict[str, Callable[[Arm], str]] = {
    "regime": lambda arm: arm.record.case.regime,
    "cell": lambda arm: _cell(Setting.of(arm.record.case)),
    "window": lambda arm: str(arm.record.case.window),
    "width": lambda arm: f"{arm.record.case.units} units",
    "batch size": lambda arm: str(arm.record.case.batch_size),
}
"""What there is to choose, and an arm's value of it."""


def sentence(one: Candidate) -> str:
    """Describe an arm."""
    setting = one.setting
    return (
        f"{one.regime} {_cell(setting)} with {setting.units} units, window {setting.window}, "
        f"batch size {setting.batch_size}"
    )


def opening(run: Run, every: list[Recommendation]) -> list[str]:
    """What a report begins with: series that need no network, alike ones together, and what to do with a user's own."""
    alike: defaultdict[tuple[str, tuple[str, ...]], list[tuple[str, int]]] = defaultdict(list)
    said = []
    several_engines = len(engines_of(run)) > 1
    for one in every:
        if one.learnt is not None and one.nothing_learnt:
            # How many lags a line has differs from series to series.
            simple = tuple(name.partition(" (")[0] for name in one.learnt.simple)
            alike[one.learnt.claim, simple].append((one.task, len(one.learnt.tested)))
        elif run.series:
            said.append(f"{recommended(one)}{f' (by {one.engine})' if several_engines else ''}")
    for (claim, simple), found in alike.items():
        names = listing([plain(task) for task in dict.fromkeys(task for task, _ in found)])
        better = "beat it" if claim == LINEAR_IS_ENOUGH else f"predict better than {listing(simple)}"
        networks = count(sum(n for _, n in found), "fully trained network")
        said.append(f"**{names}: {claim}** (of {networks} none is shown to {plain(better)}).")
    return said


def recommended(one: Recommendation) -> str:
    """Say in two sentences what to do with a series that a network learns."""
    if not one.given:
        return (
            f"**Nothing can be recommended:** of {count(one.tried, 'arm')} none was shown to reach the target in more "
            "than half of all trainings."
        )
    arm = one.best.arm
    easy = (
        " That target is the error of the trivial prediction, as a line is no better." if one.target_is_trivial else ""
    )
    return (
        f"**{one.answer}.** Cheapest: {sentence(one.best)}; {arm.hits} of {arm.n} trainings reached the target, at an "
        f"expected {limited(arm.ert, arm.ert_interval)} updates.{easy}"
    )
