"""Wires the suite into pytest: options, the plan, one session of running cases, progress."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import engines
from bench.case.record import Record, Timing
from bench.errors import PlanError, RunFolderError
from bench.plan import csv_series, planning, presets
from bench.plan.csv_series import lines as own_lines
from bench.plan.csv_series import load as own_load
from bench.plan.presets import Limits
from bench.run.replay import nothing, replay_timer
from bench.run.session import Session

SESSION: pytest.StashKey[Session] = pytest.StashKey()

RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""A run is a folder under results/ and nowhere else."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("statebench")
    group.addoption("--preset", default=None, help="name of a preset, or path of a TOML file (quick)")
    group.addoption("--run", default=None, help="name of the run under results/ (the preset's name, or the file's)")
    group.addoption("--results", default="results", type=Path, help="folder of all runs (results)")
    group.addoption("--device", default="cpu", help="cpu or gpu (cpu)")
    group.addoption("--engine", default="tensorflow", help="framework that trains, or several as a,b (tensorflow)")
    group.addoption("--workers", type=int, help="cases side by side, time cases apart (the preset's, or one a core)")
    group.addoption("--retry", action="store_true", help="run cases again that failed, crashed or hit a limit")
    csv_series.add_options(parser.getgroup("statebench: your own series, instead of a preset"))


def pytest_configure(config: pytest.Config) -> None:
    """Make the plan before anything is collected, so that a mistake costs nothing."""
    try:
        names, device = engines.named(config.getoption("--engine")), config.getoption("--device")
        own = csv_series.read_options(config)
        if own is None:
            preset = presets.load(config.getoption("--preset") or "quick", engines=names, device=device)
            usual_name = preset.name
        else:
            preset = own_load(*own, engines=names, device=device)
            usual_name = csv_series.run_name(own[0].path)
        name = _run_name(config.getoption("--run") or usual_name)
        preset = replace(preset, limits=_limits(preset.limits, config.getoption("--workers")))
        config.stash[SESSION] = Session(
            preset=preset,
            plan=planning.make(preset),
            folder=config.getoption("--results") / name,
            engines=names,
            device=device,
            retry=config.getoption("--retry"),
            command=shlex.join(["python", "-m", "pytest", *sys.argv[1:]]),
            say=lambda text: _say(config, text),
        )
    except PlanError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for every case of the kind that a file measures."""
    if "case_id" in metafunc.fixturenames:
        kind = metafunc.module.KIND
        jobs = metafunc.config.stash[SESSION].plan.jobs
        metafunc.parametrize("case_id", [job.case.id for job in jobs if job.case.kind == kind])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the convergence cases first: they share the cores; the others need the machine to themselves."""
    order = {"bench_convergence": 0, "bench_time": 1, "bench_memory": 2}
    items.sort(key=lambda item: order.get(item.path.stem, 3))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Open the results folder for what was selected."""
    if session.config.option.collectonly or session.testsfailed:
        return
    keys = {
        f"{item.module.KIND}/{item.callspec.params['case_id']}"  # type: ignore[attr-defined]
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
        this.open([job for job in this.plan.jobs if job.case.key in keys])
    except (RunFolderError, PlanError) as error:
        raise pytest.UsageError(str(error)) from error


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what is still running."""
    if SESSION in session.config.stash:
        try:
            session.config.stash[SESSION].close()
        except OSError as error:
            _say(session.config, f"cannot write when this invocation ended: {error}")


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Our own line a case says more than a dot."""
    if report.when == "call" and report.passed and "bench_" in report.nodeid:
        return "passed", "", ""
    return None


def _run_name(name: str) -> str:
    if not RUN_NAME.fullmatch(name):
        raise PlanError(
            f"run name {name!r} must be letters, digits, '.', '_' and '-', and begin with a letter, a digit or '_'"
        )
    return name


def _limits(limits: Limits, workers: int | None) -> Limits:
    if workers is None:
        return limits
    if workers < 1:
        raise PlanError(f"--workers {workers} must be at least 1")
    return replace(limits, workers=workers)


def _say(config: pytest.Config, text: str) -> None:
    """Print a line at once, whatever pytest captures."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        config.pluginmanager.getplugin("terminalreporter").write_line(text)


@pytest.fixture
def record(case_id: str, request: pytest.FixtureRequest) -> Record:
    """Return the record of this test's case, from disk or from running it now.

    Durations of a time case are put into pytest-benchmark's statistics.
    """
    kind = request.module.KIND
    try:
        record = request.config.stash[SESSION].record(f"{kind}/{case_id}")
    except OSError as error:
        # No case after this one could be recorded either.
        pytest.exit(f"cannot write results: {error}. Make room and run the same command again.", returncode=3)
    # Of time cases alone: seconds of a convergence case are those of a trainer with many models, which rank nothing.
    if isinstance(record.body, Timing):
        case, durations = record.case, record.body.seconds_per_update
        group = f"{kind} {case.task} L{case.window} b{case.batch_size} u{case.units} x{case.layers}"
        request.node.add_marker(pytest.mark.benchmark(timer=replay_timer(durations), group=group))
        benchmark = request.getfixturevalue("benchmark")
        benchmark.extra_info.update(case.to_dict())
        benchmark.pedantic(nothing, rounds=len(durations), iterations=1)
    return record
