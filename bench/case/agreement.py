"""What records of one run agree on, whichever cases they are of: a network's size, and what is known of the data.

A record that says otherwise than most others of the same network or data cannot be of this run's code and data.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from bench.case.checked import FaultError, wrong
from bench.case.record import Record
from bench.case.trained import Convergence

Value: TypeAlias = str | int | float | None
Values: TypeAlias = tuple[tuple[str, Value], ...]
Facts: TypeAlias = tuple[tuple[tuple[object, ...], Values], ...]

ROUNDED = 1e-4
"""Relative difference that another processor may make to an error of a simple prediction."""


def facts(record: Record) -> Facts:
    """Each subject of which a record tells, and by field what it tells of it."""
    return tuple(_facts(record))


def _facts(record: Record) -> Iterator[tuple[tuple[object, ...], Values]]:
    body, case = record.body, record.case
    if body is None:
        return
    network = (case.task, case.dial, case.cell, case.layers, case.units)
    yield network, (("parameters", body.parameters), ("outputs", body.outputs))
    if not isinstance(body, Convergence):
        if body.features is not None:
            yield ("inputs", case.task, case.dial), (("features", body.features),)
        return
    scored = body.scored
    told: dict[str, Value] = {
        "data_sha256": body.data_sha256,
        "loss": body.loss,
        "trivial": body.trivial,
        "optimum": body.optimum,
        "majority": body.majority,
        "scored.of": scored.of,
    }
    told |= {f"baselines['{name}']": error for name, error in body.baselines.items()}
    told |= {f"scored.simple['{name}']": sum(errors) for name, errors in scored.simple.items()}
    data = (case.task, case.dial, body.draws, scored.count)
    yield data, tuple(sorted(told.items()))
    steps = body.cell_steps_per_update // (case.batch_size * case.layers)
    yield (*data, steps), (("stateless_floor", body.stateless_floor),)


def contradictions(told: Iterable[tuple[str, str, Facts]]) -> dict[str, FaultError]:
    """Of records by kind, key and facts, those that say otherwise than most of a subject; of two the second."""
    groups: defaultdict[tuple[object, ...], dict[Values, list[tuple[str, str]]]] = defaultdict(dict)
    for kind, key, of_record in told:
        for subject, values in of_record:
            groups[subject].setdefault(values, []).append((kind, key))
    found: dict[str, FaultError] = {}
    for group in groups.values():
        usual = max(group, key=lambda values: len(group[values]))  # the first of those
        for values, records in group.items():
            for name, value, others in _differing(dict(values), dict(usual)):
                valid = f"{others if others is not None else 'null'}, as in {group[usual][0][1]}"
                found |= {key: wrong(f"{kind}.{name}", value, valid) for kind, key in records}
    return found


def _differing(values: dict[str, Value], usual: dict[str, Value]) -> Iterator[tuple[str, Value, Value]]:
    for name in values.keys() | usual.keys():
        one, other = values.get(name), usual.get(name)
        numbers = isinstance(one, float | int) and isinstance(other, float | int)
        if one != other and not (numbers and math.isclose(one, other, rel_tol=ROUNDED)):  # type: ignore[arg-type]
            yield name, one, other
