"""Wires the suite into pytest: options, the plan, one session of running cases, progress."""

import shlex
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench import engines
from bench.errors import MOST_SAID, ClusterLostError, PlanError, RunFolderError, printable
from bench.plan import csv_series, planning, presets
from bench.plan.csv_series import lines as own_lines
from bench.plan.csv_series import load as own_load
from bench.plan.presets import Limits
from bench.plan.shards import Shard
from bench.run import store
from bench.run.session import SESSION, Session
from bench.run.store import Ended

CANNOT_WRITE, CLUSTER_LOST = 3, 75
"""Exit statuses of a run that could not write, or whose cluster has gone; `bench.__main__` documents all."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("statebench")
    group.addoption("--preset", default=None, help="name of a preset, or path of a TOML file (quick)")
    group.addoption("--run", default=None, help="name of the run under results/ (the preset's name, or the file's)")
    group.addoption("--results", default=Path("results"), type=Path, help="folder of all runs (results)")
    group.addoption("--device", default="cpu", help="cpu or gpu (cpu)")
    group.addoption("--engine", default="tensorflow", help="framework that trains, or several as a,b (tensorflow)")
    group.addoption("--workers", type=int, help="cases side by side, time cases apart (the preset's, or one a core)")
    group.addoption("--scheduler", default="", help="address of a dask scheduler whose workers run the cases")
    group.addoption("--shard", help="run one shard of the plan, as in 3/20")
    group.addoption("--retry", action="store_true", help="run cases again that failed, crashed or hit a limit")
    csv_series.add_options(parser.getgroup("statebench: your own series, instead of a preset"))


def pytest_configure(config: pytest.Config) -> None:
    """Make the plan before anything is collected, so that a mistake costs nothing."""
    try:
        chosen, device = engines.named(config.getoption("--engine")), config.getoption("--device")
        own = csv_series.read_options(config)
        if own is None:
            what = config.getoption("--preset") or "quick"
            preset = presets.load(what, engines=chosen, device=device)
        else:
            what = str(own[0].path)
            preset = own_load(*own, engines=chosen, device=device)
        shard = Shard.read(config.getoption("--shard")) if config.getoption("--shard") else None
        run = config.getoption("--run") or store.usual_name(what, chosen, device)
        name = store.checked_name(store.shard_name(run, shard))
        preset = replace(preset, limits=_limits(preset.limits, config.getoption("--workers")))
        config.stash[SESSION] = Session(
            preset=preset,
            plan=planning.make(preset),
            folder=config.getoption("--results") / name,
            engines=chosen,
            device=device,
            retry=config.getoption("--retry"),
            command=shlex.join(["python", "-m", "pytest", *map(str, config.invocation_params.args)]),
            say=lambda text: _say(config, text),
            shard=shard,
            cluster_at=config.getoption("--scheduler"),
        )
    except PlanError as error:
        raise _refusal(error) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for every case of the kind that a function measures."""
    if "case_id" in metafunc.fixturenames:
        kind = _kind(metafunc.function)
        jobs = metafunc.config.stash[SESSION].jobs
        metafunc.parametrize("case_id", [job.case.id for job in jobs if job.case.kind == kind])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the time cases last: they need the machine to themselves, and the others share the cores."""
    order = {"bench_convergence": 0, "bench_memory": 1, "bench_time": 2}
    items.sort(key=lambda item: order.get(item.originalname, 3))  # type: ignore[attr-defined]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Open the results folder for what was selected."""
    if session.config.option.collectonly or session.testsfailed:
        return
    keys = {
        f"{_kind(item.function)}/{item.callspec.params['case_id']}"  # type: ignore[attr-defined]
        for item in session.items
        if "case_id" in getattr(item, "fixturenames", ())
    }
    if not keys:
        return
    this = session.config.stash[SESSION]
    try:
        if this.preset.series:
            for line in own_lines(this.preset.series):
                _say(session.config, line)
        this.open([job for job in this.jobs if job.case.key in keys])
    except (RunFolderError, PlanError) as error:
        raise _refusal(error) from error
    except ClusterLostError as error:
        raise pytest.exit.Exception(str(error), CLUSTER_LOST) from error
    except OSError as error:
        raise _cannot_write(error) from error


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """End what is still running, before any other plugin has its turn."""
    if SESSION in session.config.stash:
        whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        try:
            session.config.stash[SESSION].close("done" if whole else "interrupted")
        except OSError as error:
            _say(session.config, f"cannot write when this invocation ended: {error}")
            session.exitstatus = CANNOT_WRITE
    return (yield)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Our own line a case says more than a dot."""
    if report.when == "call" and report.passed and "bench_" in report.nodeid:
        return "passed", "", ""
    return None


def _kind(function: Callable[..., None]) -> str:
    """What a test measures: `bench_time` measures cases of the kind `time`."""
    return function.__name__.removeprefix("bench_")


def _refusal(error: Exception) -> pytest.UsageError:
    return pytest.UsageError(printable(str(error), MOST_SAID))


def _cannot_write(error: OSError) -> BaseException:
    # No case after this one could be recorded either.
    return pytest.exit.Exception(
        printable(f"cannot write results: {error}. Make room and run the same command again."), CANNOT_WRITE
    )


def _limits(limits: Limits, workers: int | None) -> Limits:
    if workers is None:
        return limits
    if workers < 1:
        raise PlanError(f"--workers {workers} must be at least 1")
    return replace(limits, workers=workers)


def _say(config: pytest.Config, text: str) -> None:
    """Print a line at once, whatever pytest captures."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        config.pluginmanager.getplugin("terminalreporter").write_line(printable(text))


@pytest.fixture
def ended(case_id: str, request: pytest.FixtureRequest) -> Ended:
    """Return what the record of this test's case says, from disk or from running it now.

    Durations of a time case are put into pytest-benchmark's statistics.
    """
    kind = _kind(request.function)
    try:
        found = request.config.stash[SESSION].ended(f"{kind}/{case_id}")
    except ClusterLostError as error:
        raise pytest.exit.Exception(str(error), CLUSTER_LOST) from error
    except OSError as error:
        raise _cannot_write(error) from error
    # Of time cases alone: seconds of a convergence case are those of a trainer with many models, which rank nothing.
    if durations := found.seconds_per_update:
        case = found.case
        group = f"{kind} {case.task} L{case.window} b{case.batch_size} u{case.units} x{case.layers}"
        request.node.add_marker(pytest.mark.benchmark(timer=replay_timer(durations), group=group))
        benchmark = request.getfixturevalue("benchmark")
        benchmark.extra_info.update(case.to_dict())
        benchmark.pedantic(nothing, rounds=len(durations), iterations=1)
    return found


def replay_timer(durations: Sequence[float]) -> Callable[[], float]:
    """Make a timer that hands out recorded durations: a round reads its clock before and after the call.

    Parameters
    ----------
    durations
        Seconds, one a round.
    """

    def ticks() -> Iterator[float]:
        for duration in durations:
            # From zero each time: a clock that adds up would round the differences.
            yield 0.0
            yield duration

    readings = ticks()

    def recorded() -> float:
        return next(readings)

    return recorded


def nothing() -> None:
    """Stand for work that was done and timed elsewhere."""
