"""The tables of details.md on the claim and on what went wrong, each made from a run's frames."""

import math
from collections.abc import Callable
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from msgspec.structs import replace

from bench.case.regimes import CLAIM
from reports.collect.grouping import SETTING, USUAL, Setting, dials_of
from reports.formatting import (
    ERRORS,
    NOTHING,
    chance,
    count,
    integer,
    limited,
    listing,
    mark,
    number,
    percent,
    seconds,
    size,
    span,
    table_cell,
)
from reports.frames import plain, setting
from reports.frames.of_findings import LONGER
from reports.statistics.intervals import clopper_pearson
from reports.statistics.verdict import FEWER, MORE
from reports.tell.tables import (
    COMPARED,
    EXPORTED,
    MOST_ROWS,
    FromFrames,
    first_by_interest,
    judged,
    label,
    ratio_of,
    table,
)
from tasks import dials
from tasks.dials import Dial


def _marked(row: Any) -> str:
    return label(row) if row.declared else f"*{label(row)}*"


_GROUP = (
    ("task", lambda row: setting(row).task_name),
    ("cell", lambda row: setting(row).cell_name + setting(row).aside),
    (">L", lambda row: row.window),
    (">B", lambda row: row.batch_size),
)


def _of_first(text: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda pair: text(pair[0][0])


def width_text(above: int | None, up_to: int | None, grid: list[int]) -> str:
    """Say an interval of widths in words."""
    if up_to is None and above is None:
        return f"undetermined on {listing(grid)}"
    if up_to is None:
        return f"> {above}"
    return f"≤ {up_to}" if above is None else f"({above}, {up_to}]"


def _reached(row: Any, side: str) -> str:
    return f"{getattr(row, f'reached_{side}')}/{row.n}"


MOST_WIDTHS = 20
"""Widths of an arm in a row."""


def _at_widths(arm: list[Any]) -> str:
    told = [f"{row.units}: {row.reached}/{row.of}" for row in arm[:MOST_WIDTHS]]
    return ", ".join([*told, count(len(arm) - len(told), "wider one")] if len(arm) > len(told) else told)


class ClaimTables(FromFrames):
    """Every table on the claim, and of what went wrong, as Markdown; "" where it has no row."""

    @cached_property
    def _claim(self) -> pd.DataFrame:
        """Stateful against stateless in updates."""
        return self._of(" / ".join(CLAIM), measure="updates")

    def _trainings(self, rows: pd.DataFrame) -> dict[tuple[str, str, str], pd.DataFrame]:
        """Paired trainings of both arms of those comparisons that a table shows, as `replicates` holds them.

        By both keys and the side; seeds of both sides in the same order.
        """
        shown = plain(rows.head(MOST_ROWS))
        keys = {key for row in shown for key in (row.key_a, row.key_b)}
        names = ["key", "role", "seed", "cost", "best_error", "last_error", "last_accuracy", "target"]
        made = self._frames.part("replicates", names, keys)
        arms = {key: arm.set_index("seed", drop=False) for key, arm in made[made.role == "evaluation"].groupby("key")}
        found: dict[tuple[str, str, str], pd.DataFrame] = {}
        for row in shown:
            a, b = arms[row.key_a], arms[row.key_b]
            seeds = a.index[a.index.isin(b.index)]
            found |= {(row.key_a, row.key_b, side): arm.loc[seeds] for side, arm in (("a", a), ("b", b))}
        return found

    def _of_arms(self, frame: str, rows: pd.DataFrame, *names: str) -> pd.DataFrame:
        """Columns of `arms` or `paired_trainings` of those comparisons that a table shows."""
        shown = rows.head(MOST_ROWS)
        made = self._frames.part(frame, ("compares", "key_a", "key_b", "side", *names), {*shown.key_a, *shown.key_b})
        return made[made.compares.isin(shown.compares)]

    def _expected(self, rows: pd.DataFrame) -> dict[tuple[str, str, str], str]:
        """Expected updates to target with the interval, by both keys and the side."""
        made = plain(self._of_arms("arms", rows, "expected", "low", "high"))
        return {(row.key_a, row.key_b, row.side): limited(row.expected, (row.low, row.high)) for row in made}

    @cached_property
    def overview(self) -> str:
        """A row a task and cell, engines apart: what became of the declared comparisons, and of the others."""
        names = ["task", "dial", "cell", "engine", "device", "dtype"]
        groups = [here for _, here in self._claim.groupby(names, observed=True, dropna=False, sort=False)]

        def counted(*verdicts: str) -> Callable[[Any], object]:
            return lambda here: int(here[here.declared].verdict.isin(verdicts).sum()) or ""

        def exploratory(here: pd.DataFrame) -> str:
            others = here[~here.declared]
            fewer, more = (int(others.verdict.isin(verdicts).sum()) for verdicts in (FEWER, MORE))
            return f"{fewer} fewer, {more} more of {len(others)}" if len(others) else NOTHING

        def first(here: pd.DataFrame) -> Setting:
            return setting(plain(here.head(1))[0])

        return table(
            groups,
            (
                ("task", lambda here: first(here).task_name),
                ("cell", lambda here: first(here).cell_name + first(here).aside),
                (">declared", lambda here: int(here.declared.sum()) or ""),
                (">fewer", counted(*FEWER)),
                (">more", counted(*MORE)),
                (">same", counted("same")),
                (">inconclusive", counted("inconclusive")),
                (">neither reached it", counted("neither")),
                (">rate not found", counted("rate not found")),
                (">left by Holm", lambda here: int(here.survives_holm.eq(other=True).sum()) or ""),
                ("exploratory", exploratory),
            ),
            COMPARED,
            2 * MOST_ROWS,
        )

    @cached_property
    def disagreeing(self) -> str:
        """Settings whose verdict depends on what is counted."""
        every = self._of(" / ".join(CLAIM))
        verdicts = every.groupby(["key_a", "key_b"], observed=True, sort=False).verdict.nunique()
        several = verdicts[verdicts > 1].index
        rows = self._claim[pd.MultiIndex.from_frame(self._claim[["key_a", "key_b"]]).isin(several)]
        rows = first_by_interest(rows)
        beside = self._beside(rows)

        def in_measure(name: str, without: str = "") -> Callable[[Any], object]:
            return lambda row: judged(beside.get((row.key_a, row.key_b, name)), without)

        return table(
            rows,
            (
                ("setting", _marked),
                ("updates", in_measure("updates")),
                ("cell steps", in_measure("cell steps")),
                ("FLOPs", in_measure("FLOPs", "not countable")),
                ("seconds", in_measure("seconds", "not comparable")),
            ),
            COMPARED,
        )

    @cached_property
    def settings(self) -> str:
        """Stateful against stateless, setting by setting."""
        rows = first_by_interest(self._claim)
        beside, updates = self._beside(rows), self._expected(rows)

        def in_measure(name: str, without: str = "") -> Callable[[Any], object]:
            return lambda row: ratio_of(one) if (one := beside.get((row.key_a, row.key_b, name))) else without

        def expected(side: str) -> Callable[[Any], object]:
            return lambda row: updates[row.key_a, row.key_b, side]

        def reached(side: str) -> Callable[[Any], object]:
            return lambda row: f"{_reached(row, side)} {span(*clopper_pearson(getattr(row, f'reached_{side}'), row.n))}"

        def seeds(row: Any) -> object:
            if row.verdict != "inconclusive":
                return ""
            open_ = "evaluate more often" if row.evaluate_more_often else "not foreseeable"
            return integer(row.seeds_to_decide) if row.seeds_to_decide else open_

        return table(
            rows,
            (
                ("setting", _marked),
                (">D/L", lambda row: number(row.reach_in_windows)),
                (">n", lambda row: row.n),
                ("reached: stateful", reached("a")),
                ("reached: stateless", reached("b")),
                (">updates to target: stateful", expected("a")),
                (">stateless", expected("b")),
                ("ratio in updates", ratio_of),
                ("verdict", lambda row: row.verdict),
                ("in cell steps", in_measure("cell steps")),
                ("in FLOPs", in_measure("FLOPs", "not countable")),
                ("in seconds", in_measure("seconds", "not comparable")),
                ("p (Holm)", lambda row: number(row.p) + (f" ({number(row.p_holm)})" if row.declared else "")),
                (">seeds to decide", seeds),
            ),
            COMPARED,
        )

    @cached_property
    def at_the_end(self) -> str:
        """The same settings at the end of the budget."""
        rows = first_by_interest(self._claim)
        trainings = self._trainings(rows)

        def arm(row: Any, side: str) -> pd.DataFrame:
            return trainings[row.key_a, row.key_b, side]

        def still(side: str) -> Callable[[Any], object]:
            def text(row: Any) -> str:
                there = arm(row, side)
                stops = self._case(getattr(row, f"key_{side}")).stop != "budget"
                return NOTHING if stops else f"{(there.last_error <= there.target).sum()}/{row.n}"

            return text

        def errors(side: str) -> Callable[[Any], object]:
            return lambda row: " / ".join(
                number((arm(row, side)[f"{name}_error"] / arm(row, side).target).median()) for name in ("best", "last")
            )

        def budget(row: Any, side: str) -> float:
            return float(self._case(getattr(row, f"key_{side}")).budget or arm(row, side).cost.max())

        def restricted(side: str) -> Callable[[Any], object]:
            return lambda row: number(np.minimum(arm(row, side).cost, budget(row, side)).mean())

        return table(
            rows,
            (
                ("setting", label),
                (">target", lambda row: number(row.target)),
                (">still there: stateful", still("a")),
                (">stateless", still("b")),
                (">best / last error: stateful", errors("a")),
                (">stateless", errors("b")),
                (">min(updates, budget): stateful", restricted("a")),
                (">stateless", restricted("b")),
                (">budget", lambda row: " / ".join(dict.fromkeys(number(budget(row, side)) for side in "ab"))),
                (
                    ">stateful needs fewer",
                    lambda row: chance(row.a_needs_fewer, row.a_needs_fewer_low, row.a_needs_fewer_high),
                ),
            ),
            EXPORTED,
        )

    @cached_property
    def accuracies(self) -> str:
        """The same where labels are predicted: how often the most probable one was right."""
        of_labels = self._frames.outlines.key[self._frames.outlines.majority.notna()]
        rows = first_by_interest(self._claim[self._claim.key_a.isin(of_labels)])
        trainings = self._trainings(rows)

        def accuracy(side: str) -> Callable[[Any], object]:
            return lambda row: percent(trainings[row.key_a, row.key_b, side].last_accuracy.median())

        return table(
            rows,
            (
                ("setting", label),
                (">stateful", accuracy("a")),
                (">stateless", accuracy("b")),
                (">always the most frequent label", lambda row: percent(self._case(row.key_a).majority)),
            ),
            EXPORTED,
        )

    def control(self, regime: str, engine: str) -> str:
        """A control arm beside both arms, setting by setting."""
        stateful, stateless = CLAIM
        pairs = self._of(f"{regime} / {stateless}", f"{stateful} / {regime}", measure="updates")
        rows = first_by_interest(pairs[pairs.engine == engine])
        beside = {(setting(row), row.compares): row for row in plain(rows)}
        settings = list(dict.fromkeys(where for where, _ in beside))

        def reached(where: Setting) -> str:
            over = beside.get((where, f"{regime} / {stateless}"))
            return _reached(over, "a") if over else _reached(beside[where, f"{stateful} / {regime}"], "b")

        def against(compares: str, arm: str, other: str) -> Callable[[Any], object]:
            def text(where: Setting) -> str:
                row = beside.get((where, compares))
                if row is None:
                    return f"no {arm} arm"
                return f"{judged(row).replace(other, 'control')}{' (declared)' if row.declared else ''}"

            return text

        return table(
            settings,
            (
                ("setting", lambda where: where.label),
                ("reached", reached),
                (f"{regime} / {stateless}", against(f"{regime} / {stateless}", stateless, stateful)),
                (f"{stateful} / {regime}", against(f"{stateful} / {regime}", stateful, stateless)),
            ),
            COMPARED,
        )

    @cached_property
    def longer_windows(self) -> str:
        """Carried state at a short window beside a stateless network at a long one."""
        rows = first_by_interest(self._of(LONGER, measure="updates"))
        beside = self._beside(rows)

        def network(row: Any) -> str:
            where = setting(row)
            return f"{where.task_name} {where.network}, batch {where.batch_size}"

        def in_measure(name: str, without: str = "") -> Callable[[Any], object]:
            return lambda row: ratio_of(one) if (one := beside.get((row.key_a, row.key_b, name))) else without

        def long_window(row: Any) -> str:
            return f"{self._case(row.key_b).window}{'' if setting(row).reach is not None else '*'}"

        return table(
            rows,
            (
                ("task and network", network),
                (">carried at window", lambda row: row.window),
                (">stateless at window", long_window),
                (">target", lambda row: number(row.target)),
                (">reached: carried", lambda row: _reached(row, "a")),
                (">stateless", lambda row: _reached(row, "b")),
                ("ratio in updates", ratio_of),
                ("in cell steps", in_measure("cell steps")),
                ("in seconds", in_measure("seconds", "not comparable")),
                (
                    ">steps a prediction",
                    lambda row: " / ".join(str(self._case(key).steps_per_prediction) for key in (row.key_a, row.key_b)),
                ),
            ),
            COMPARED,
        )

    @cached_property
    def otherwise(self) -> str:
        """Networks trained one way, predicting another."""
        every = self._frames.comparisons
        return table(
            first_by_interest(every[every.measure == "error"]),
            (
                ("setting", label),
                ("trained", lambda row: row.regime),
                ("predicting", lambda row: row.compares.removeprefix("predicting ")),
                ("ratio of errors", ratio_of),
                ("error", lambda row: row.verdict),
                (">n", lambda row: row.n),
            ),
            COMPARED,
        )

    @cached_property
    def same_arms(self) -> str:
        """An arm by two engines."""
        engines = self._frames.outlines.engine.unique()
        pairs = [f"{a} / {b}" for a in engines for b in engines if a != b]
        rows = first_by_interest(self._of(*pairs, measure="updates"))

        updates = self._expected(rows)
        trainings = self._of_arms("paired_trainings", rows, "seed", "reached", "cost")

        def ended_alike(row: Any) -> str:
            """How many pairs reached the target at the same evaluation, of those of which any reached it."""
            here = trainings[(trainings.key_a == row.key_a) & (trainings.key_b == row.key_b)]
            a, b = (here[here.side == side].set_index("seed") for side in "ab")
            return f"{(a.reached & b.reached & (a.cost == b.cost)).sum()} of {(a.reached | b.reached).sum()}"

        def verdict(row: Any) -> str:
            first, second = row.compares.split(" / ")
            return str(row.verdict).replace("stateful", first).replace("stateless", second)

        return table(
            rows,
            (
                ("setting", lambda row: replace(setting(row), engine=USUAL["engine"]).label),
                ("arm", lambda row: row.regime),
                ("engines", lambda row: row.compares),
                ("reached", lambda row: f"{_reached(row, 'a')} and {_reached(row, 'b')}"),
                ("updates to target", lambda row: " and ".join(updates[row.key_a, row.key_b, side] for side in "ab")),
                ("ratio", ratio_of),
                ("verdict", verdict),
                (">reached it at the same evaluation", ended_alike),
                (
                    "rates chosen",
                    lambda row: " and ".join(mark(self._case(k).chosen_rate) for k in (row.key_a, row.key_b)),
                ),
            ),
            COMPARED,
        )

    @cached_property
    def rates(self) -> str:
        """What each arm's tuning seeds needed at every rate, arms at the edge of their grid first."""
        arms = self._frames.outlines[self._frames.outlines.rates_tried > 1]
        arms = arms.sort_values([*SETTING, "regime"], key=lambda one: one.map(dials_of) if one.name == "dial" else one)
        arms = arms.sort_values("rate_at_edge", ascending=False, kind="stable")
        names = ["key", "role", "learning_rate", "reached", "cost"]
        made = self._frames.part("replicates", names, set(arms.key.head(MOST_ROWS)))
        tuning = made[made.role == "tuning"]

        def grid(row: Any) -> str:
            parts = []
            for rate, at in tuning[tuning.key == row.key].groupby("learning_rate"):
                hits = int(at.reached.sum())
                parts.append(f"{mark(rate)}: {number(at.cost.sum() / hits if hits else math.inf)} ({hits}/{len(at)})")
            return ", ".join(parts)

        return table(
            arms,
            (
                ("setting", label),
                ("arm", lambda row: row.regime),
                (">chosen", lambda row: mark(row.chosen_rate) + (" (edge)" if row.rate_at_edge else "")),
                ("rate: expected updates to target (reached)", grid),
            ),
            EXPORTED,
        )

    @cached_property
    def _by_width(self) -> tuple[list[list[Any]], int]:
        """Rows of the frame `widths` of the arms that a table shows, stateful and stateless in turn, and all arms."""
        names = [*(name for name in SETTING if name != "units"), "regime"]
        groups = self._frames.widths.groupby(names, observed=True, dropna=False, sort=False)
        return [plain(here) for _, here in islice(groups, 2 * MOST_ROWS)], groups.ngroups

    @cached_property
    def widths(self) -> str:
        """The narrowest width of both arms that reaches the target."""
        arms, of_all = self._by_width
        pairs = list(zip(arms[::2], arms[1::2], strict=True))

        def of(side: int, text: Callable[[Any], str]) -> Callable[[Any], object]:
            return lambda pair: text(pair[side][0])

        def taken(row: Any) -> str:
            return f"{size(row.counted_bytes)} ({size(row.memory_bytes)})"

        def interval(side: int) -> Callable[[Any], object]:
            return lambda pair: width_text(pair[side][0].above, pair[side][0].up_to, [row.units for row in pair[side]])

        return table(
            pairs,
            (
                *((heading, _of_first(text)) for heading, text in _GROUP),
                ("stateful", interval(0)),
                ("stateless", interval(1)),
                ("verdict", of(0, lambda row: str(row.verdict))),
                (">parameters there: stateful", of(0, lambda row: number(row.parameters))),
                (">stateless", of(1, lambda row: number(row.parameters))),
                (">seconds per update there: stateful", of(0, lambda row: seconds(row.seconds_per_update))),
                (">stateless", of(1, lambda row: seconds(row.seconds_per_update))),
                (">bytes there, counted (measured): stateful", of(0, taken)),
                (">stateless", of(1, taken)),
            ),
            EXPORTED,
            of=of_all // 2,
        )

    @cached_property
    def reached_by_width(self) -> str:
        """How many reached the target at each width, a row an arm."""
        arms, of_all = self._by_width
        return table(
            arms,
            (
                *((heading, lambda arm, text=text: text(arm[0])) for heading, text in _GROUP),
                ("arm", lambda arm: arm[0].regime),
                ("units: reached of n", _at_widths),
            ),
            EXPORTED,
            2 * MOST_ROWS,
            of_all,
        )

    @cached_property
    def targets(self) -> str:
        """The ratio at an easy, a middle and the hardest of other targets, a row a setting."""
        groups = self._frames.targets.groupby(SETTING, observed=True, dropna=False, sort=False)
        ladders = [plain(here) for _, here in groups]

        def at(name: str, place: Callable[[int], int]) -> list[tuple[str, Callable[[Any], object]]]:
            def row(ladder: list[Any]) -> Any:
                return ladder[place(len(ladder))]

            return [
                (f">{name} target", lambda ladder: number(row(ladder).target)),
                ("ratio", lambda ladder: ratio_of(row(ladder))),
                ("", lambda ladder: row(ladder).verdict),
            ]

        return table(
            ladders,
            (
                ("setting", lambda ladder: label(ladder[0])),
                *at("easy", lambda n: n // 4 - 1),
                *at("middle", lambda n: n // 2),
                *at("hardest", lambda n: n - 1),
            ),
            EXPORTED,
        )

    def baselines(self, task: str, dial: Dial | None) -> str:
        """Errors of predictions without a network on a task."""
        every = self._frames.baselines
        at = None if dial is None else dials.write(dial)
        of_task = [one for one in plain(every) if (one.task, one.dial) == (task, at)]
        here = [one for one in of_task if one.baseline not in ("trivial", "optimum")]
        error = ERRORS[here[0].loss] if here else ""
        return table(
            here,
            (
                ("prediction", lambda row: table_cell(row.baseline)),
                (f">{error}, all scored rows", lambda row: number(row.error)),
            ),
            EXPORTED,
            2 * MOST_ROWS,
        )

    @cached_property
    def failed(self) -> str:
        """Cases that did not end well."""
        cases = self._frames.outlines
        return table(
            cases[cases.outcome != "ok"],
            (
                ("case", lambda row: table_cell(row.key)),
                ("outcome", lambda row: table_cell(row.outcome)),
                ("end of its error output", lambda row: table_cell(row.message or "none")[:300]),
            ),
            EXPORTED,
        )
