"""What a GPU computes is what the CPU beside it does, by every kernel, cuDNN's included; skipped without a GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from small_works import difference

from bench import engines
from bench.machine import host

ROOT = Path(__file__).parents[2]
BOUND = {"float64": 1e-9, "float32": 0.02}
"""cuDNN adds up in another order, and in float32 a GPU may cut numbers to TF32, a step of 1e-3."""

pytestmark = pytest.mark.skipif(not host.has_gpu_driver(), reason="no NVIDIA driver on this machine")


@pytest.fixture(scope="module", params=engines.ENGINES)
def found(request, tmp_path_factory):
    """What an engine found, by device and then by name."""
    name = request.param
    if not all(map(find_spec, engines.ENGINES[name].needs)):
        pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("devices")
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    processes = {}
    for device in ("cpu", "gpu"):
        command = [
            sys.executable,
            str(Path(__file__).with_name("engine_process.py")),
            name,
            str(folder / device),
            device,
        ]
        with (folder / f"{device}.log").open("w") as log:
            processes[device] = subprocess.Popen(
                command, env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=subprocess.STDOUT
            )
    for device, process in processes.items():
        assert process.wait() == 0, (folder / f"{device}.log").read_text()[-4000:]
    devices = {device: dict(np.load(folder / f"{device}.npz")) for device in processes}
    if not devices["gpu"]["accelerators"].size:
        pytest.skip(f"{name} sees no GPU")
    return devices


def test_losses_weights_and_errors_are_those_of_the_cpu(found):
    cpu, gpu = found["cpu"], found["gpu"]
    compared = set()
    for name, value in gpu.items():
        if value.dtype.kind == "f":
            # cuDNN's layer is no other function than the loop.
            assert difference([value], [cpu[name.replace(" cudnn ", " loop ")]]) < BOUND[value.dtype.name], name
            compared.add(name.split()[2])
    assert compared == {"replicated", "loop", "native", "cudnn"}


def test_the_kernel_asked_for_is_the_kernel_seen(found):
    seen = {name.split()[2]: str(value) for name, value in found["gpu"].items() if name.endswith(" seen")}
    assert "cudnn" in seen
    assert all(asked == ran for asked, ran in seen.items()), seen
