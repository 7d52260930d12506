"""What Linux tells of a machine that decides how fast, and how steadily, it computes."""

from pathlib import Path
from typing import Any

CPU = "sys/devices/system/cpu"


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """Read what there is; None for what this machine does not tell.

    Parameters
    ----------
    root
        Stands in for ``/``.

    Returns
    -------
    dict
        ``caches`` (bytes by name, of the first core), ``governor``, ``turbo`` (bool), ``hyperthreads`` (bool),
        ``virtual_machine`` (bool), ``quota_cores`` and ``quota_bytes`` (limits of this container).
    """
    return {
        "caches": _caches(root / CPU / "cpu0/cache"),
        "governor": _text(root / CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(root / CPU),
        "hyperthreads": _on(root / CPU / "smt/active"),
        "virtual_machine": _virtual(root / "proc/cpuinfo"),
        "quota_cores": _quota_cores(root / "sys/fs/cgroup"),
        "quota_bytes": _quota_bytes(root / "sys/fs/cgroup"),
    }


def _caches(folder: Path) -> dict[str, int] | None:
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        if level and size and kind != "Instruction":
            units = {"K": 2**10, "M": 2**20, "G": 2**30}
            found[f"L{level}"] = int(size.rstrip("KMG")) * units.get(size[-1], 1)
    return found or None


def _turbo(cpu: Path) -> bool | None:
    off = _on(cpu / "intel_pstate/no_turbo")
    return not off if off is not None else _on(cpu / "cpufreq/boost")


def _virtual(info: Path) -> bool | None:
    flags = next((line for line in (_text(info) or "").splitlines() if line.startswith("flags")), None)
    return None if flags is None else "hypervisor" in flags.split()


def _quota_cores(group: Path) -> float | None:
    """Cores' worth of time that this container may use; None where unlimited."""
    if text := _text(group / "cpu.max"):
        quota, period = text.split()
        return None if quota == "max" else int(quota) / int(period)
    quota, period = (_text(group / "cpu" / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))  # type: ignore[assignment]
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _quota_bytes(group: Path) -> int | None:
    text = _text(group / "memory.max") or _text(group / "memory/memory.limit_in_bytes")
    # Version 1 says "no limit" as the largest number of whole pages.
    return int(text) if text and text != "max" and int(text) < 2**62 else None


def _on(file: Path) -> bool | None:
    text = _text(file)
    return None if text is None else text == "1"


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
