"""Wires the suite into pytest: options, the plan, one session of running cases, progress."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import machine, plan, presets, progress
from bench.errors import PlanError, RunFolderError
from bench.plan import Job
from bench.replay import nothing, replay_timer
from bench.scheduler import Scheduler
from bench.store import RunFolder
from bench.worker import prepare_forkserver

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("statebench")
    group.addoption("--preset", default="quick", help="name of a preset, or path of a TOML file (quick)")
    group.addoption("--run", default=None, help="name of the run under results/ (the preset's name)")
    group.addoption("--results", default="results", type=Path, help="folder of all runs (results)")
    group.addoption("--device", default="cpu", help="cpu or gpu (cpu)")
    group.addoption("--engine", default="tensorflow", help="framework that trains (tensorflow)")
    group.addoption("--retry", action="store_true", help="run cases again that failed, crashed or hit a limit")


def pytest_configure(config: pytest.Config) -> None:
    """Make the plan before anything is collected, so that a mistake costs nothing."""
    try:
        preset = presets.load(
            config.getoption("--preset"),
            engine=config.getoption("--engine"),
            device=config.getoption("--device"),
        )
        config.stash[SESSION] = Session(config, preset, plan.make(preset))
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
        this.open([job for job in this.plan.jobs if job.case.key in keys])
    except (RunFolderError, PlanError) as error:
        raise pytest.UsageError(str(error)) from error


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what is still running."""
    if SESSION in session.config.stash:
        session.config.stash[SESSION].close()


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Our own line a case says more than a dot."""
    if report.when == "call" and report.passed and "bench_" in report.nodeid:
        return "passed", "", ""
    return None


@pytest.fixture
def result(case_id: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what was found about this test's case, from disk or from running it now.

    Fails where the case did not end well. Otherwise its durations are put into pytest-benchmark's statistics.
    """
    kind = request.module.KIND
    record = request.config.stash[SESSION].record(f"{kind}/{case_id}")
    if record["outcome"] != "ok":
        pytest.fail(f"{record['key']} {record['outcome']}: {record['message']}", pytrace=False)
    result: dict[str, Any] = record[kind]
    durations = result.get("seconds_per_update")
    if durations:
        case = record["case"]
        group = f"{kind} {case['task']} L{case['window']} b{case['batch_size']} u{case['units']} x{case['layers']}"
        request.node.add_marker(pytest.mark.benchmark(timer=replay_timer(durations), group=group))
        benchmark = request.getfixturevalue("benchmark")
        benchmark.extra_info.update(case)
        benchmark.pedantic(nothing, rounds=len(durations), iterations=1)
    return result


class Session:
    """One invocation: the cases that it runs and the folder that it writes."""

    def __init__(self, config: pytest.Config, preset: presets.Preset, the_plan: plan.Plan) -> None:
        self._config = config
        self._preset = preset
        self.plan = the_plan
        self._scheduler: Scheduler | None = None
        self._begin = time.perf_counter()

    def open(self, jobs: list[Job]) -> None:
        """Open the run's folder and see what is left to do."""
        if self._config.getoption("--device") == "gpu":
            accelerators = machine.accelerators(self._config.getoption("--engine"))
            if not accelerators:
                raise PlanError(machine.why_no_gpu(self._config.getoption("--engine")))
        else:
            accelerators = []
        name = self._config.getoption("--run") or self._preset.name
        self.folder = RunFolder(self._config.getoption("--results") / name)
        command = shlex.join(["python", "-m", "pytest", *sys.argv[1:]])
        self.folder.open(self._preset, self.plan, machine.fingerprint(accelerators), ROOT, command)
        for line in self.folder.torn:
            self._say(line)
        retry = self._config.getoption("--retry")
        finished = {key for key, record in self.folder.records.items() if record["outcome"] == "ok" or not retry}
        todo = [job for job in jobs if job.case.key not in finished]
        workers = self._preset.limits.workers or machine.usable_cores()
        self._progress = progress.Progress(todo, len(jobs) - len(todo), workers)
        self._say(
            f"{self.folder.path}: {len(jobs)} cases, {len(jobs) - len(todo)} already there, {len(todo)} to run, "
            f"{len(self.plan.left_out)} left out with a reason; "
            f"{workers} side by side, but for time cases, which run alone"
        )
        if todo:
            prepare_forkserver()
        # Shared by all runs on this machine: what was compiled for one case serves every case of the same shapes.
        cache = self.folder.path.parent / ".compiled" / self.folder.compiler_key
        self._scheduler = Scheduler(todo, self._preset.limits, self.folder.path / "logs", cache, self._ended)
        self._waiting = {job.case.key for job in todo}

    def record(self, key: str) -> dict[str, Any]:
        """Return a case's record, running it and what comes before it if need be."""
        assert self._scheduler is not None
        if key in self._waiting:
            self._scheduler.run_until(key)
        return self.folder.records[key]

    def close(self) -> None:
        """Stop workers and note the time."""
        if self._scheduler is not None:
            self._scheduler.stop()
            self.folder.close(time.perf_counter() - self._begin)

    def _ended(self, record: dict[str, Any]) -> None:
        self.folder.append(record)
        self._waiting.discard(record["key"])
        self._say(self._progress.line(record))

    def _say(self, text: str) -> None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            reporter.write_line(text)


SESSION: pytest.StashKey[Session] = pytest.StashKey()
