"""``python -m bench.gate --base main``: is this checkout slower than that?  Exit codes are in docs/gate.md."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench import engines
from bench.errors import PlanError
from bench.gate import gate_page, judging, sides
from bench.gate.deciding import HALF_WIDTH, MARGIN
from bench.gate.judging import Exit, Outcome
from bench.machine import host
from bench.plan import planning, presets


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both sides, write gate.md and gate.json, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    parser.add_argument("--base", required=True, help="a git commit, a checkout's folder or an interpreter")
    parser.add_argument("--head", default=str(host.ROOT), help="likewise (this checkout)")
    parser.add_argument("--preset", default="gate", help="name of a preset, or path of a TOML file (gate)")
    parser.add_argument("--engine", default="tensorflow", help="framework that trains (tensorflow)")
    parser.add_argument("--minutes", type=float, default=20.0, help="time for each of the two passes (20)")
    parser.add_argument("--out", type=Path, default=Path("results/gate"), help="folder of the page (results/gate)")
    parser.add_argument("--strict", action="store_true", help="an inconclusive gate fails too")
    chosen = parser.parse_args(arguments)
    if not 0 < chosen.minutes < float("inf"):
        parser.error(f"--minutes {chosen.minutes} must be above 0")
    try:
        return _gate(chosen)
    except OSError as error:
        say(f"error: cannot read or write: {error}", error=True)
    except Exception:  # noqa: BLE001 - Python's own exit code for it is 1, which says "slower"
        traceback.print_exc()
    return int(Exit.FAILED)


def _gate(chosen: argparse.Namespace) -> int:
    chosen.out.mkdir(parents=True, exist_ok=True)
    commits = chosen.out / "commits"
    try:
        names = engines.named(chosen.engine)
        plan = planning.make(presets.load(chosen.preset, engines=names))
        base, head = (sides.find(name, getattr(chosen, name), names, commits) for name in ("base", "head"))
        say(
            f"gate: {base.asked} against {head.asked}, margin {MARGIN:.0%}, pairs until the interval is "
            f"±{HALF_WIDTH:.1%}, at most {chosen.minutes:g} minutes a pass"
        )
        outcome = judging.judge(plan, base, head, chosen.minutes * 60, chosen.out, say)
    except PlanError as error:
        say(f"error: {error}", error=True)
        outcome = Outcome.refused(str(error), Exit.USAGE)
    finally:
        sides.tidy(commits)
    code = outcome.exit_code(strict=chosen.strict)
    gate_page.write(outcome, code, chosen.out)
    say(f"{chosen.out / 'gate.md'}: {outcome.summary_line} (exit {code})")
    return int(code)


def say(text: str, *, error: bool = False) -> None:
    """Print a line at once."""
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
