"""A table of the page has the numbers of its frame, which CSV and Parquet have: each is read back from the page."""

import re
from pathlib import Path

import pytest
import synthetic

from reports import formatting
from reports.analysis import analyse
from reports.collect.read import read
from reports.costs.contrasts import SECONDS
from reports.figures.claim_figures import draw_widths
from reports.figures.cost_figures import draw_growth, draw_memory, draw_roofline
from reports.figures.learning_figures import EDGE, draw_targets
from reports.formatting import THIN, limited, number, seconds, size, span
from reports.frames import SETTING, load
from reports.tell import tables
from reports.tell.claim_tables import ClaimTables, width_text
from reports.tell.cost_tables import CostTables

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"


@pytest.fixture(scope="module")
def cost():
    """The published run of costs: its analysis' tables, and frames that know nothing of that analysis."""
    return CostTables(analyse(read(PUBLISHED / "cost")).frames), load(PUBLISHED / "cost")


@pytest.fixture(scope="module")
def quick():
    """The same of the published run `quick`."""
    return ClaimTables(analyse(read(PUBLISHED / "quick")).frames), load(PUBLISHED / "quick")


def rows(text):
    """Rows of a table in Markdown by the name of their column; of columns of one name the last."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, _, *found = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in found]


def left(text):
    """How many rows a table says to leave out."""
    told = re.search(r"\*(\S+) more rows? in ", text)
    return int(told[1].replace(THIN, "")) if told else 0


def check(text, frame, columns):
    """Hold every row against the frame's, and the number of both against each other."""
    shown = rows(text)
    assert len(shown) == min(len(frame), tables.MOST_ROWS) > 0
    assert left(text) == len(frame) - len(shown)
    for row, known in zip(shown, frame.itertuples(), strict=False):
        assert {name: row[name] for name in columns} == {name: of(known) for name, of in columns.items()}


def test_time_to_target(cost):
    check(
        cost[0].to_target,
        cost[1].to_target,
        {
            "kernel": lambda row: row.kernel,
            "reached": lambda row: f"{row.reached}/{row.n}",
            "updates": lambda row: number(row.updates),
            "seconds per update": lambda row: seconds(row.seconds_per_update),
            "compile": lambda row: seconds(row.compile_seconds),
            "seconds to target": lambda row: f"{number(row.seconds)} {span(row.low, row.high)}",
        },
    )
    frame = cost[1].to_target
    product = frame.updates * frame.seconds_per_update + frame.compile_seconds
    assert (product / frame.seconds - 1).abs().max() < 1e-9


def test_seconds(cost):
    """The frame is what the timed blocks say, setting by setting over its processes; the first call is told by one."""
    frames = cost[1]
    check(
        cost[0].seconds,
        frames.seconds,
        {
            "seconds per update: median": lambda row: seconds(row.seconds),
            "middle half": lambda row: f"{seconds(row.low)} to {seconds(row.high)}",
            "a forward pass": lambda row: seconds(row.forward_pass_seconds),
            "samples": lambda row: str(row.samples),
            "processes": lambda row: str(row.processes),
            "compile": lambda row: seconds(row.compile_seconds),
        },
    )
    blocks = frames.with_case("timings")
    assert blocks.dial.isna().all()
    names = [*(name for name in SETTING if name != "dial"), "regime"]
    updates = blocks[blocks.what == "update"].groupby(names, observed=True).seconds
    known = frames.seconds.set_index(names)
    for name, expected in (
        ("low", updates.quantile(0.25)),
        ("high", updates.quantile(0.75)),
        ("samples", updates.size()),
    ):
        assert (known[name] - expected).abs().max() < 1e-12
    compiling = dict(zip(frames.seconds.key, frames.seconds.compile_seconds, strict=True))
    assert [compiling[key] for key in frames.to_target.key] == frames.to_target.compile_seconds.tolist()


def test_ceilings(cost):
    check(cost[0].ceilings, cost[1].ceilings, {"ceiling": lambda row: row.ceiling})
    best = {row.dtype: row.best for row in cost[1].ceilings.itertuples()}
    machine = cost[1].machines.iloc[0]
    assert best["float32"] == machine.float32_flops_per_second


def test_paybacks(cost):
    check(
        cost[0].paybacks,
        cost[1].paybacks,
        {
            "kernel": lambda row: row.compares,
            "updates": lambda row: formatting.never(row.updates),
            "interval": lambda row: f"[{formatting.never(row.low)}, {formatting.never(row.high)}]",
        },
    )


def test_growth(cost):
    points = cost[1].growth
    line = [name for name in points if name not in ("at", "value")]
    lines = points.groupby(line, observed=True, dropna=False, sort=False).size().rename("points").reset_index()
    check(
        cost[0].growth,
        lines,
        {
            "cost": lambda row: row.quantity,
            "points": lambda row: str(row.points),
            "exponent": lambda row: f"{number(row.exponent)} {span(row.low, row.high)}",
            "at its end": lambda row: number(row.last_exponent),
        },
    )
    assert points.groupby(line, observed=True, dropna=False).at.apply(lambda at: at.is_monotonic_increasing).all()


def test_roofline(cost):
    check(
        cost[0].roofline,
        cost[1].roofline,
        {
            "GFLOP/s": lambda row: number(row.flops_per_second / 1e9),
            "FLOP a byte": lambda row: number(row.flops_per_byte),
            "arithmetic": lambda row: formatting.percent(row.arithmetic_share),
            "memory": lambda row: formatting.percent(row.memory_share),
            "dispatch": lambda row: formatting.percent(row.dispatch_share),
            "bottleneck": lambda row: row.bottleneck,
        },
    )


def test_memory(cost):
    check(
        cost[0].memory,
        cost[1].memory_peaks,
        {
            "allocator, training": lambda row: size(row.allocator_peak_bytes),
            "counted": lambda row: size(row.counted_bytes),
            "measured / counted": lambda row: number(row.over_counted) + (" (doubtful)" if row.doubtful else ""),
            "resident, whole process": lambda row: size(row.resident_peak_bytes),
            "processes": lambda row: str(row.processes),
        },
    )
    peaks = (
        cost[1]
        .with_case("memory")
        .groupby(["cell", "units", "window", "batch_size", "kernel", "regime"], observed=True)
    )
    of_cases = sorted(peaks.allocator_peak_bytes.max())
    assert of_cases == sorted(cost[1].memory_peaks.allocator_peak_bytes)
    check(
        cost[0].state_memory,
        cost[1].state_memory,
        {
            "counted": lambda row: size(row.counted_bytes),
            "allocator's peak: stateful": lambda row: size(row.bytes_a),
            "stateless": lambda row: size(row.bytes_b),
            "difference": lambda row: f"{size(row.bytes_a - row.bytes_b)} ({number(100 * (row.ratio - 1))} %)",
        },
    )


def test_trainings_timed_whole(cost):
    check(
        cost[0].whole_trainings,
        cost[1].whole_trainings,
        {
            "process": lambda row: str(row.repetition),
            "updates": lambda row: formatting.integer(row.updates),
            "whole": lambda row: seconds(row.seconds),
            "product": lambda row: seconds(row.product),
            "off": lambda row: f"{number(100 * (row.seconds / row.product - 1))} %",
        },
    )


def test_widths(quick):
    frame = quick[1].widths
    arms = [here for _, here in frame.groupby([*(n for n in SETTING if n != "units"), "regime"],
                                              observed=True, dropna=False, sort=False)]  # fmt: skip
    shown = rows(quick[0].reached_by_width)
    assert len(shown) == len(arms) > 0
    for row, arm in zip(shown, arms, strict=True):
        assert row["arm"] == arm.regime.iloc[0]
        assert row["units: reached of n"] == ", ".join(
            f"{units}: {reached}/{n}" for units, reached, n in zip(arm.units, arm.reached, arm.of, strict=True)
        )
    for row, (first, second) in zip(rows(quick[0].widths), zip(arms[::2], arms[1::2], strict=True), strict=True):
        assert row["verdict"] == first.verdict.iloc[0] == second.verdict.iloc[0]
        assert row["parameters there: stateful"] == number(first.parameters.astype(float).iloc[0])
        assert row["seconds per update there: stateful"] == seconds(first.seconds_per_update.iloc[0])


def test_the_table_of_settings_has_the_intervals_of_the_comparison():
    """Two draws of the data with three folds each: what was made on one draw is left out together."""
    records = synthetic.pair([100, 140, 180, 300, 340, 380], [400, 420, 500, 640, 700, 900])
    for record in records:
        record["convergence"]["draws"] = 2
        for fold, one in enumerate(r for r in record["convergence"]["replicates"] if r["role"] == "evaluation"):
            one |= {"fold": fold, "draw": fold // 3}
    found = analyse(synthetic.run_of(records))
    (one,) = found.compared
    (row,) = rows(ClaimTables(found.frames).settings)
    assert row["updates to target: stateful"] == limited(one.a.ert, one.a.ert_interval)
    assert row["stateless"] == limited(one.b.ert, one.b.ert_interval)
    (by_fold,) = analyse(synthetic.run_of([*map(without_draws, records)])).compared
    assert by_fold.a.ert_interval != one.a.ert_interval


def without_draws(record):
    """The same record, its folds on one draw."""
    for one in record["convergence"]["replicates"]:
        one["draw"] = 0
    return record


@pytest.mark.parametrize(
    ("interval", "text"),
    [((None, None), "undetermined on 2, 4 and 8"), ((4, None), "> 4"), ((None, 4), "≤ 4"), ((2, 4), "(2, 4]")],
)
def test_an_interval_of_widths_in_words(interval, text):
    assert width_text(*interval, [2, 4, 8]) == text


def test_other_targets(quick):
    frame = quick[1].targets
    ladders = [here for _, here in frame.groupby(SETTING, observed=True, dropna=False, sort=False)]
    text = quick[0].targets
    shown = rows(text)
    assert len(shown) + left(text) == len(ladders)
    for row, ladder in zip(shown, ladders, strict=False):
        assert ladder.target.is_monotonic_decreasing
        assert row["easy target"] == number(ladder.target.iloc[len(ladder) // 4 - 1])
        assert row["middle target"] == number(ladder.target.iloc[len(ladder) // 2])
        hardest = ladder.iloc[-1]
        assert row["hardest target"] == number(hardest.target)
        assert row[""] == hardest.verdict
        if hardest.method == "jackknife":
            assert row["ratio"] == f"{number(hardest.ratio)} {span(hardest.low, hardest.high)}"


def drawn(axes):
    """Every point that is drawn as a line or a marker in some axes."""
    return {(round(float(x), 9), float(y)) for line in axes.lines for x, y in line.get_xydata()}


def test_figures_of_costs_show_what_the_frames_hold(cost):
    frames = cost[1]
    figure = draw_roofline(frames).figure
    expected = {(round(row.flops_per_byte, 9), row.flops_per_second / 1e9) for row in frames.roofline.itertuples()}
    assert expected <= drawn(figure.axes[0])

    points = frames.growth[(frames.growth.quantity == SECONDS) & (frames.growth.axis == "window")]
    line = [name for name in points if name not in ("at", "value")]
    lengths = points.groupby([*line], observed=True, dropna=False).at.transform("size")
    loop = points[(points.kernel == "loop") & (points.dtype == "float32")]
    longest = loop[lengths[loop.index] == lengths[loop.index].max()]
    first = longest.groupby(line, observed=True, dropna=False, sort=False).head(len(longest)).head(int(lengths.max()))
    assert {(row.at, row.value) for row in first.itertuples()} <= drawn(draw_growth(frames).figure.axes[0])

    panel = draw_memory(frames).figure.axes[0]
    peaks = {x for x, _ in drawn(panel)}
    assert peaks <= {round(float(one), 9) for one in frames.memory_peaks.allocator_peak_bytes}
    assert len(peaks) > 3


def test_figures_of_the_claim_show_what_the_frames_hold(quick):
    frames = quick[1]
    shares = {y for axes in draw_widths(frames).figure.axes for _, y in drawn(axes) if 0 <= y <= 1}
    assert {row.reached / row.of for row in frames.widths.itertuples()} >= shares - {0.0, 0.5, 1.0}
    assert shares - {0.0, 0.5, 1.0}
    ratios = {y for axes in draw_targets(frames).figure.axes for _, y in drawn(axes)} - {0.0, 1.0}
    edges = {1 / EDGE, EDGE}
    assert ratios - edges <= set(frames.targets.ratio)
    assert ratios - edges
