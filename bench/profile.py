"""``make profile``: what this machine is, its ceilings, how steady it is, and what makes its figures unreliable."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import engines
from bench.case.checked import SCHEMA
from bench.errors import PlanError
from bench.machine import ceilings, checks, host
from bench.machine.checks import Finding, findings
from bench.machine.sensors import Sampler
from bench.run.store import now

ENERGY_NOT_TOLD = "this machine tells no energy (no readable RAPL counter, no NVML): none is reported"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write profile.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--engine", default="tensorflow", help="framework to measure with (tensorflow)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--seconds", type=float, default=checks.SECONDS, help="how long to watch (30)")
    parser.add_argument("--out", type=Path, default=Path("results/profile.json"))
    options = parser.parse_args(arguments)
    try:
        engine = engines.create(options.engine)
    except PlanError as error:
        print(error, file=sys.stderr)
        return 2
    console = Console()
    # Asked in a process of its own only where it matters: a framework that has looked for GPUs keeps them.
    accelerators = host.accelerators(options.engine) if options.device == "gpu" else []
    if options.device == "gpu" and not accelerators:
        print(host.why_no_gpu(options.engine), file=sys.stderr)
        return 2
    about = host.fingerprint(accelerators)
    _fingerprint(console, about, engine.versions())
    console.print(f"\nwatching one core for {options.seconds:g} s ...")
    with Sampler() as sampler:
        steady = checks.watch(options.seconds).to_dict()
    watched = sampler.found()
    console.print("measuring ceilings ...\n")
    engine.configure(threads=None, device=options.device, cache=None, short_loops=False)
    found = ceilings.measure(engine, options.device)
    _ceilings(console, found)
    _steadiness(console, steady, watched)
    reasons = findings(about, watched, steady)
    _findings(console, reasons)
    content = {
        "schema": SCHEMA,
        "started": now(),
        "engine": options.engine,
        "device": options.device,
        "machine": about,
        "versions": host.versions() | engine.versions(),
        "steadiness": steady,
        "watched": watched,
        "ceilings": ceilings.to_dict(found),
        "findings": [vars(one) for one in reasons],
    }
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"error: cannot write {options.out}: {error}", file=sys.stderr)
        return 3
    console.print(f"\n{options.out}", highlight=False, soft_wrap=True)
    return 0


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _fingerprint(console: Console, about: dict[str, Any], versions: dict[str, str]) -> None:
    table = Table(title="This machine", title_justify="left", title_style="bold", show_header=False)
    for name, value in (about | versions).items():
        every = value if isinstance(value, list) else [value]
        if name.endswith("_bytes"):
            every = [one and f"{one / 2**30:.1f} GiB" for one in every]
        text = ", ".join("not told" if one is None else str(one) for one in every)
        if name == "caches" and value:
            text = ", ".join(f"{level} {size / 2**10:g} KiB" for level, size in value.items())
        table.add_row(name.replace("_", " "), text or "none")
    console.print(table)


def _ceilings(console: Console, found: list[ceilings.Ceiling] | None) -> None:
    if found is None:
        console.print("This engine brings no operations to measure ceilings with.")
        return
    table = _table("Ceilings", "operation", "best", "usual", "usual / best")
    for one in found:
        best, usual = (_figure(value, one.unit) for value in (one.best, one.median))
        share = one.best / one.median if one.unit == "s" else one.median / one.best
        table.add_row(one.name, best, usual, f"{share:.0%}")
    console.print(table)


def _figure(value: float, unit: str) -> str:
    if unit == "s":
        return f"{1e6 * value:.3g} µs"
    return f"{value / 1e9:.3g} G{unit}"


def _steadiness(console: Console, steady: dict[str, Any], watched: dict[str, Any]) -> None:
    console.print(
        f"\n[bold]Steadiness.[/bold] {steady['pieces']} equal pieces of {1e3 * steady['median_seconds']:.3g} ms: "
        f"middle half within {steady['spread']:.1%} of the median, drift {steady['drift']:+.1%}, "
        f"stalls {steady['stalls']:.1%}."
    )
    told = watched["energy_joules"] or [gpu for gpu in watched["accelerators"] if gpu["energy_joules"] is not None]
    console.print("Energy is reported and will be recorded." if told else f"Energy: {ENERGY_NOT_TOLD}.")


def _findings(console: Console, reasons: list[Finding]) -> None:
    if not reasons:
        console.print("\n[bold green]Nothing found that would make figures here unreliable.[/bold green]")
        return
    table = Table(
        title="What makes figures here unreliable", title_justify="left", title_style="bold", header_style="dim"
    )
    table.add_column("what", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for one in reasons:
        table.add_row(one.what, one.remedy)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
