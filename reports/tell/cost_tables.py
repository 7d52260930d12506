"""The tables of details.md on costs, each made from a run's frames."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pandas as pd
from msgspec.structs import replace

from reports.collect.grouping import USUAL
from reports.costs.contrasts import AXES
from reports.formatting import (
    NOTHING,
    integer,
    limited,
    never,
    number,
    percent,
    seconds,
    size,
    span,
    table_cell,
)
from reports.frames import setting
from reports.tell.tables import (
    COMPARED,
    EXPORTED,
    MOST_OF_A_KIND,
    FromFrames,
    interest,
    judged,
    label,
    table,
)


def _ran(row: Any) -> str:
    return f"{label(row)} {row.regime} {row.kernel}"


_RAN = (
    ("setting", label),
    ("kernel", lambda row: row.kernel),
    ("regime", lambda row: row.regime),
)


class CostTables(FromFrames):
    """Every table on costs, as Markdown; "" where it has no row."""

    @cached_property
    def cost_ratios(self) -> str:
        """Timed cases that differ in one thing."""
        every = self._frames.comparisons
        every = every[every.measure == "seconds of an update"]
        # Some of each kind, since a reader looks for a kind; of these the farthest from 1.
        first = every.loc[interest(every)].groupby("compares", observed=True, sort=False).head(MOST_OF_A_KIND)
        rows = pd.concat([every.loc[first.index.sort_values()], every.drop(first.index)])
        beside = self._beside(rows)

        def where(row: Any) -> str:
            first, second = (self._case(key) for key in (row.key_a, row.key_b))
            other = f"{setting(first).cell_name} {first.units} against " if first.units != second.units else ""
            shown = setting(row) if first.engine == second.engine else replace(setting(row), engine=USUAL["engine"])
            kernel = f" {second.kernel}" if first.kernel == second.kernel and first.engine == second.engine else ""
            return f"{other}{shown.label}{f' {row.regime}' if row.regime else ''}{kernel}"

        def passes(row: Any) -> str:
            one = beside.get((row.key_a, row.key_b, "seconds of a forward pass"))
            return judged(one, NOTHING)

        return table(
            rows,
            (
                ("what", lambda row: row.compares),
                ("setting", where),
                ("training", judged),
                ("a forward pass", passes),
                (">processes", lambda row: row.n),
            ),
            COMPARED,
        )

    @cached_property
    def seconds(self) -> str:
        """Seconds of an update and of a forward pass, a row a setting and regime over its processes."""
        return table(
            self._frames.seconds,
            (
                *_RAN,
                (">seconds per update: median", lambda row: seconds(row.seconds)),
                ("middle half", lambda row: f"{seconds(row.low)} to {seconds(row.high)}"),
                (">a forward pass", lambda row: seconds(row.forward_pass_seconds)),
                (">samples", lambda row: row.samples),
                (">processes", lambda row: row.processes),
                (">compile", lambda row: seconds(row.compile_seconds)),
            ),
            EXPORTED,
        )

    @cached_property
    def paybacks(self) -> str:
        """After how many updates a kernel breaks even."""
        return table(
            self._frames.paybacks,
            (
                ("kernel", lambda row: row.compares),
                ("setting", lambda row: f"{label(row)}{f' {row.regime}' if row.regime else ''}"),
                (">updates", lambda row: never(row.updates)),
                ("interval", lambda row: f"[{never(row.low)}, {never(row.high)}]"),
            ),
            EXPORTED,
        )

    @cached_property
    def to_target(self) -> str:
        """Seconds to target of each timed case."""
        return table(
            self._frames.to_target,
            (
                *_RAN,
                (">reached", lambda row: f"{row.reached}/{row.n}"),
                (">updates", lambda row: number(row.updates)),
                (">seconds per update", lambda row: seconds(row.seconds_per_update)),
                (">compile", lambda row: seconds(row.compile_seconds)),
                ("seconds to target", lambda row: limited(row.seconds, (row.low, row.high))),
            ),
            EXPORTED,
        )

    @cached_property
    def whole_trainings(self) -> str:
        """Trainings timed whole against the product of their parts."""
        return table(
            self._frames.whole_trainings,
            (
                ("case", _ran),
                (">process", lambda row: row.repetition),
                (">updates", lambda row: integer(row.updates)),
                ("target reached", lambda row: "yes" if row.reached else "no"),
                (">whole", lambda row: seconds(row.seconds)),
                (">product", lambda row: seconds(row.product)),
                (">off", lambda row: f"{number(100 * (row.seconds / row.product - 1))} %"),
                (">evaluations, not in either", lambda row: seconds(row.evaluate_seconds)),
            ),
            EXPORTED,
        )

    @cached_property
    def growth(self) -> str:
        """How each cost grows, a row a line."""
        points = self._frames.growth
        line = [name for name in points.columns if name not in ("at", "value")]
        lines = points.groupby(line, observed=True, dropna=False, sort=False).size().rename("points").reset_index()
        return table(
            lines,
            (
                ("cost", lambda row: row.quantity),
                ("along", lambda row: AXES[row.axis]),
                ("from", label),
                ("kernel", lambda row: row.kernel),
                ("regime", lambda row: row.regime),
                (">points", lambda row: row.points),
                ("exponent", lambda row: f"{number(row.exponent)} {span(row.low, row.high)}"),
                (">at its end", lambda row: number(row.last_exponent)),
            ),
            EXPORTED,
        )

    @cached_property
    def ceilings(self) -> str:
        """The highest rates that simple operations reached."""

        def rate(name: str) -> Callable[[Any], object]:
            def text(row: Any) -> str:
                value = getattr(row, name)
                return seconds(value) if row.unit == "s" else f"{number(value / 1e9)} G{row.unit}"

            return text

        columns = (
            ("ceiling", lambda row: table_cell(row.ceiling)),
            (">best", rate("best")),
            (">usual", rate("median")),
        )
        return table(self._frames.ceilings, columns, EXPORTED)

    @cached_property
    def roofline(self) -> str:
        """Each timed case and its share of the machine's ceilings."""
        return table(
            self._frames.roofline,
            (
                ("case", _ran),
                (">GFLOP/s", lambda row: number(row.flops_per_second / 1e9)),
                (">FLOP a byte", lambda row: number(row.flops_per_byte)),
                (">arithmetic", lambda row: percent(row.arithmetic_share)),
                (">memory", lambda row: percent(row.memory_share)),
                (">dispatch", lambda row: percent(row.dispatch_share)),
                ("bottleneck", lambda row: row.bottleneck),
            ),
            EXPORTED,
        )

    @cached_property
    def energy(self) -> str:
        """Joules of an update, by what told them."""
        return table(
            self._frames.energy,
            (
                ("case", _ran),
                ("told by", lambda row: table_cell(row.sensor)),
                (">joules an update", lambda row: number(row.joules)),
            ),
            EXPORTED,
        )

    @cached_property
    def memory(self) -> str:
        """Memory under its three names, beside the count."""
        return table(
            self._frames.memory_peaks,
            (
                *_RAN,
                (">allocator, training", lambda row: size(row.allocator_peak_bytes)),
                (">counted", lambda row: size(row.counted_bytes)),
                (
                    ">measured / counted",
                    lambda row: f"{number(row.over_counted)}{' (doubtful)' if row.doubtful else ''}",
                ),
                (">allocator, first call", lambda row: size(row.compile_peak_bytes)),
                (">resident, whole process", lambda row: size(row.resident_peak_bytes)),
                (">resident before the model", lambda row: size(row.resident_before_bytes)),
                (">processes", lambda row: row.processes),
            ),
            EXPORTED,
        )

    @cached_property
    def state_memory(self) -> str:
        """What carrying the state takes."""
        return table(
            self._frames.state_memory,
            (
                ("state carried", lambda row: f"{label(row)} {row.kernel}"),
                (">counted", lambda row: size(row.counted_bytes)),
                (">allocator's peak: stateful", lambda row: size(row.bytes_a)),
                (">stateless", lambda row: size(row.bytes_b)),
                (
                    ">difference",
                    lambda row: f"{size(row.bytes_a - row.bytes_b)} ({number(100 * (row.ratio - 1))} %)",
                ),
            ),
            EXPORTED,
        )
