"""What is read of a machine: a tree of files that stands in for Linux, and a library that stands in for NVIDIA's."""

import time
from types import SimpleNamespace

import pytest

from bench.machine.checks import Steadiness, findings
from bench.machine.host import facts
from bench.machine.sensors import AcceleratorSensors, Sampler, energy_counters, throttle_count

CPU = "sys/devices/system/cpu"
QUIET = {"other_load": 0.0, "steal": 0.0, "swapped_bytes": 0, "throttled": 0, "accelerators": []}
STEADY = Steadiness((0.01,) * 30).to_dict()
PLAIN = {"affinity": [0, 1], "memory_bytes": 2**34, "accelerators": []}


@pytest.fixture
def tree(tmp_path):
    def _tree(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n", encoding="utf-8")
        return tmp_path

    return _tree


def test_a_machine_that_tells_nothing_is_not_guessed_at(tmp_path):
    assert set(facts(tmp_path).values()) == {None}
    assert energy_counters(tmp_path) == {}
    assert throttle_count(tmp_path) is None


def test_caches_clock_and_threads_are_read(tree):
    root = tree(
        **{
            f"{CPU}/cpu0/cache/index0/level": "1", f"{CPU}/cpu0/cache/index0/type": "Data",
            f"{CPU}/cpu0/cache/index0/size": "48K", f"{CPU}/cpu0/cache/index1/level": "1",
            f"{CPU}/cpu0/cache/index1/type": "Instruction", f"{CPU}/cpu0/cache/index1/size": "32K",
            f"{CPU}/cpu0/cache/index2/level": "2", f"{CPU}/cpu0/cache/index2/type": "Unified",
            f"{CPU}/cpu0/cache/index2/size": "2M", f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{CPU}/intel_pstate/no_turbo": "0", f"{CPU}/smt/active": "1",
            "proc/cpuinfo": "flags\t\t: fpu hypervisor avx2",
        }
    )  # fmt: skip
    found = facts(root)
    assert found["caches"] == {"L1": 48 * 2**10, "L2": 2**21}
    assert (found["governor"], found["turbo"], found["hyperthreads"]) == ("powersave", True, True)
    assert found["virtual_machine"] is True


@pytest.mark.parametrize(
    ("files", "cores", "size"),
    [
        ({"sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/memory.max": "1073741824"}, 1.5, 2**30),
        ({"sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "max"}, None, None),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            2.0,
            None,
        ),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None, None),
    ],
    ids=["version 2", "version 2 unlimited", "version 1", "version 1 unlimited"],
)
def test_limits_of_a_container_are_read(tree, files, cores, size):
    found = facts(tree(**files))
    assert (found["quota_cores"], found["quota_bytes"]) == (cores, size)


def package(joules, name="package-0", zone="intel-rapl:0", most=1000.0):
    return {
        f"{zone}/name": name,
        f"{zone}/energy_uj": str(int(1e6 * joules)),
        f"{zone}/max_energy_range_uj": str(int(1e6 * most)),
    }


def test_energy_is_that_of_packages_and_not_of_their_parts_again(tree):
    root = tree(**package(5.0), **package(2.0, "core", "intel-rapl:0:0"), **package(7.0, "package-1", "intel-rapl:1"))
    assert {name: joules for name, (joules, _) in energy_counters(root).items()} == {"package-0": 5.0, "package-1": 7.0}


@pytest.mark.parametrize(("before", "after", "passed"), [(5.0, 8.5, 3.5), (998.0, 1.0, 3.0)], ids=["plain", "wrapped"])
def test_energy_is_what_passed_between(tree, before, after, passed):
    root = tree(**package(before))
    with Sampler(powercap=root, cpus=root) as sampler:
        tree(**package(after))
    assert sampler.found()["energy_joules"] == {"package-0": pytest.approx(passed)}


def test_what_passes_while_it_is_not_watched_does_not_count(tree):
    root = tree(**package(5.0))
    sampler = Sampler(powercap=root, cpus=root)
    for before, after in ((5.0, 6.0), (20.0, 20.5)):
        tree(**package(before))
        with sampler:
            tree(**package(after))
    assert sampler.found()["energy_joules"] == {"package-0": pytest.approx(1.5)}


def test_a_counter_that_could_not_be_read_once_tells_nothing(tree, tmp_path):
    root = tree(**package(5.0))
    sampler = Sampler(powercap=root, cpus=root)
    with sampler:
        tree(**package(6.0))
    with sampler:
        (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert sampler.found()["energy_joules"] is None


def test_a_gpu_that_did_not_tell_once_has_no_energy():
    library = Nvidia()
    sensors = AcceleratorSensors(library)
    for told in (True, False, True):
        sensors.begin()
        read = library.nvmlDeviceGetTotalEnergyConsumption
        if not told:
            library.nvmlDeviceGetTotalEnergyConsumption = library.nvmlDeviceGetPowerUsage
        sensors.end()
        library.nvmlDeviceGetTotalEnergyConsumption = read
    assert sensors.found()[0]["energy_joules"] is None


def test_no_energy_is_invented(tmp_path):
    with Sampler(powercap=tmp_path, cpus=tmp_path) as sampler:
        pass
    found = sampler.found()
    assert found["energy_joules"] is None
    assert found["throttled"] is None
    assert found["other_load"] is None  # too short to say


def test_throttling_in_between_is_counted(tree):
    root = tree(**{f"cpu{n}/thermal_throttle/core_throttle_count": "3" for n in range(2)})
    with Sampler(powercap=root, cpus=root) as sampler:
        tree(**{"cpu1/thermal_throttle/core_throttle_count": "5"})
    assert sampler.found()["throttled"] == 2


def test_the_processs_own_work_is_not_taken_for_others(tmp_path):
    with Sampler(powercap=tmp_path, cpus=tmp_path, period=0.05) as sampler:
        end = time.perf_counter() + 0.6
        while time.perf_counter() < end:
            pass
    found = sampler.found()
    assert found["own_cores"] > 0.1
    assert 0 <= found["other_load"] <= 1


class Nvidia:
    """As much of NVIDIA's library as is asked for, of one GPU whose power sensor fails."""

    class NVMLError(Exception):
        pass

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    def __init__(self):
        self.joules = 10.0

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetUtilizationRates(self, device):  # noqa: N802
        del device
        return SimpleNamespace(gpu=50)

    def nvmlDeviceGetClockInfo(self, device, kind):  # noqa: N802
        del device, kind
        return 1500

    def nvmlDeviceGetPowerUsage(self, device):  # noqa: N802
        raise self.NVMLError(device)

    def nvmlDeviceGetTemperature(self, device, kind):  # noqa: N802
        del device, kind
        return 60

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, device):  # noqa: N802
        del device
        return 0x1 | 0x4

    def nvmlDeviceGetTotalEnergyConsumption(self, device):  # noqa: N802
        del device
        self.joules += 2.5
        return 1000 * self.joules


def test_a_gpu_tells_what_it_can():
    sensors = AcceleratorSensors(Nvidia())
    sensors.begin()
    sensors.sample()
    sensors.end()
    (found,) = sensors.found()
    assert found["slowed_by"] == ["power cap"]
    assert found["energy_joules"] == pytest.approx(2.5)
    assert (found["load"], found["clock_mhz"], found["celsius"]) == (0.5, 1500, 60)
    assert "watts" not in found


def test_nothing_is_doubted_where_there_is_nothing_to_doubt():
    assert findings(PLAIN, QUIET, STEADY) == []


@pytest.mark.parametrize(
    ("machine", "watched", "words"),
    [
        ({"quota_cores": 1.5}, {}, "has used the time of 1.5"),
        ({"affinity": [0]}, {}, "1 core may be used"),
        ({"governor": "powersave"}, {}, "governor powersave"),
        ({"turbo": True}, {}, "clock may rise"),
        ({"hyperthreads": True}, {}, "share a core"),
        ({"virtual_machine": True}, {}, "virtual machine"),
        ({"memory_bytes": 2**31}, {}, "less than 4 GiB"),
        ({"quota_bytes": 2**31}, {}, "less than 4 GiB"),
        ({"accelerators": ["H"]}, {}, "nothing tells its clocks"),
        ({}, {"other_load": 0.5}, "other programs take 50%"),
        ({}, {"steal": 0.02}, "host took away 2.0%"),
        ({}, {"swapped_bytes": 4096}, "swapped"),
        ({}, {"throttled": 2}, "slowed down for their heat"),
        ({}, {"accelerators": [{"slowed_by": ["power cap"]}]}, "GPU 0 was slowed down by power cap"),
    ],
)
def test_each_reason_for_doubt_is_named_with_its_remedy(machine, watched, words):
    (doubt,) = findings(PLAIN | machine, QUIET | watched, STEADY)
    assert words in doubt.what
    assert doubt.remedy


def test_unsteadiness_is_measured():
    slower = Steadiness(tuple(0.01 * (1 + 0.01 * n) for n in range(30)))
    assert slower.drift == pytest.approx((1.245 / 1.045) - 1)
    assert {"became", "differ"} <= {
        word for one in findings(PLAIN, QUIET, slower.to_dict()) for word in ("became", "differ") if word in one.what
    }
    stalled = Steadiness((0.01,) * 27 + (0.02,) * 3)
    assert stalled.stalls == pytest.approx(0.1)
    assert stalled.spread == 0
