"""A cluster of dask on this machine: a scheduler and workers, each a process of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SBATCH = f"""#!{sys.executable}
import os, re, shutil, subprocess, sys
from pathlib import Path
hours, minutes, seconds = map(int, re.search(r"^#SBATCH -t (.*)", Path(sys.argv[-1]).read_text(), re.M)[1].split(":"))
queue = Path(os.environ["QUEUE_FOLDER"])
script = queue / f"{{len(list(queue.glob('*.sh'))) + 1}}.sh"
shutil.copy(sys.argv[-1], script)
command = ["timeout", "--kill-after=5", str(3600 * hours + 60 * minutes + seconds), "bash", str(script)]
job = subprocess.Popen(
    command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=script.with_suffix(".log").open("wb"), stderr=-2
)
print("Submitted batch job", job.pid)
script.with_suffix(".pid").write_text(str(job.pid))
"""
SCANCEL = f"""#!{sys.executable}
import os, signal, sys
os.killpg(int(sys.argv[1]), signal.SIGTERM)
"""
PATIENCE_S = 120.0
"""Starting takes two seconds on an idle machine."""


def environment():
    inherited = {
        name: one for name, one in os.environ.items() if not name.startswith(("STATEBENCH_", "MAKE", "MFLAGS"))
    }
    path = os.pathsep.join([str(Path(__file__).parent), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return inherited | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "COLUMNS": "300"}


class LocalCluster:
    """A scheduler and workers as processes on loopback, their output in files of a folder."""

    def __init__(self, folder, **variables):
        self.folder, self._variables = folder, variables
        self.processes, self.addresses = {}, {}
        told = folder / "scheduler.json"
        told.unlink(missing_ok=True)
        options = ["--host", "tcp://127.0.0.1:0", "--no-dashboard", "--scheduler-file", str(told)]
        self._start("scheduler", "distributed.cli.dask_scheduler", *options)
        end = time.monotonic() + PATIENCE_S
        while not told.exists():
            assert self.processes["scheduler"].poll() is None, self.said("scheduler")
            assert time.monotonic() < end, self.said("scheduler")
            time.sleep(0.02)
        self.file = told
        self.address = self._address(end)

    def _address(self, end):
        while True:
            with contextlib.suppress(ValueError):  # not yet whole
                return json.loads(self.file.read_text())["address"]
            assert time.monotonic() < end
            time.sleep(0.02)

    def _start(self, name, module, *options, **variables):
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *options],
                cwd=ROOT,
                env=environment() | self._variables | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def worker(self, name, *options, nanny=False, **variables):
        """Start a worker, with variables of its own, and wait until the scheduler knows it."""
        self._start_worker(name, *options, "--nanny" if nanny else "--no-nanny", **variables)
        self._wait_for(name)
        return self.processes[name]

    def workers(self, count):
        """Start so many at the same time, of one thread each."""
        names = [f"w{number}" for number in range(count)]
        for name in names:
            self._start_worker(name, "--no-nanny")
        for name in names:
            self._wait_for(name)

    def _start_worker(self, name, *options, **variables):
        local = ["--local-directory", str(self.folder), "--no-dashboard", "--name", name]
        threads = [] if "--nthreads" in options else ["--nthreads", "1"]
        self._start(name, "distributed.cli.dask_worker", self.address, *local, *threads, *options, **variables)

    def _wait_for(self, name):
        end = time.monotonic() + PATIENCE_S
        while "Registered to" not in self.said(name):
            assert self.processes[name].poll() is None, self.said(name)
            assert time.monotonic() < end, self.said(name)
            time.sleep(0.02)
        self.addresses[name] = re.search(r"Start worker at:\s+(\S+)", self.said(name))[1]

    def said(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, name, number=signal.SIGKILL):
        """End a process of the cluster, and with SIGKILL what it has started."""
        process = self.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(timeout=60)

    def close(self):
        for name in self.processes:
            self.kill(name)


def slurm(folder):
    """Make commands of Slurm's names that run a script at once, and end all of it by SIGTERM at its time limit.

    Returns what they need in the environment. The scripts that were run lie in `folder` / queue, from 1.sh on.
    """
    (folder / "bin").mkdir()
    (folder / "queue").mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return {"PATH": f"{folder}/bin:{os.environ['PATH']}", "QUEUE_FOLDER": f"{folder}/queue"}
