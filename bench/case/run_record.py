"""``run.json``: what was planned, where and with what, defined as records are in `bench.case.record`.

Every duration is in seconds, every size in bytes; null stands for what does not exist or is not known.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bench.case.cases import Case
from bench.case.checked import Amount, Count, Definition, Name, Positive, Seconds, Text, Timestamp, check
from bench.case.record import Asked, Git
from tasks.csv_series.about import About

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Limits(Definition, frozen=True, kw_only=True):
    """What one case may take.

    Attributes
    ----------
    seconds
        Wall time of a case's process.
    memory_mib
        Resident memory of it, in MiB.
    workers
        Cases side by side; 0 for one on every core.
    together
        Time cases that are alive at the same time and take turns.
    """

    seconds: Amount
    memory_mib: Positive
    workers: Count
    together: Positive


class PresetRead(Definition, frozen=True, kw_only=True):
    """The preset as read.

    Attributes
    ----------
    name
        Its name.
    path
        Name of its file.
    sha256
        Fingerprint of the file.
    description
        Its own description.
    settings
        The TOML as read.
    limits
        What one case may take.
    """

    name: Text
    path: Text
    sha256: Sha256
    description: Text
    settings: dict[str, Any]
    limits: Limits


class Refused(Definition, frozen=True, kw_only=True):
    """A combination that was left out on purpose.

    Attributes
    ----------
    case
        Which.
    reason
        Why.
    """

    case: Case
    reason: Text


class OwnSeries(About, frozen=True, kw_only=True, omit_defaults=True):
    """A user's own series, as `tasks.csv_series.about.About`.

    Attributes
    ----------
    content
        Fingerprint of the prepared numbers.
    """

    content: Sha256


class Machine(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """The machine; null for what it does not tell.

    Attributes
    ----------
    cpu
        Model of the processor.
    cores
        Physical cores.
    threads
        What the system counts as processors.
    affinity
        Those that the run may use, by number.
    architecture
        As the kernel calls it.
    instruction_sets
        Vector extensions.
    memory_bytes
        Main memory.
    system
        Kernel and release.
    python
        Version.
    accelerators
        GPUs.
    caches
        Bytes by name, of the first core.
    governor
        How the clock is chosen.
    turbo
        Whether it may rise above its base.
    hyperthreads
        Whether a core runs two threads.
    virtual_machine
        Whether this is one.
    quota_cores
        Cores' worth of time that this container may use.
    quota_bytes
        Memory that it may use.
    environment
        Variables that decide how fast frameworks compute.
    accelerator_bytes
        Memory of each GPU; empty where it is not told.
    """

    cpu: Text
    cores: Positive
    threads: Positive
    affinity: Annotated[list[Count], Meta(min_length=1)]
    architecture: Text
    instruction_sets: list[Text]
    memory_bytes: Positive
    system: Text
    python: Text
    accelerators: list[Text]
    caches: dict[str, Count] | None
    governor: Text | None
    turbo: bool | None
    hyperthreads: bool | None
    virtual_machine: bool | None
    quota_cores: Amount | None
    quota_bytes: Count | None
    environment: dict[str, Text]
    accelerator_bytes: list[Count] = msgspec.field(default_factory=list)


class Ceiling(Definition, frozen=True, kw_only=True):
    """The highest rate that a simple operation reached.

    Attributes
    ----------
    name
        Of the operation.
    unit
        Of the next two.
    best
        Best block.
    median
        Middle block.
    """

    name: Text
    unit: Literal["FLOP/s", "B/s", "s"]
    best: Annotated[float, Meta(gt=0, le=1e18)]
    median: Annotated[float, Meta(gt=0, le=1e18)]


class Turns(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """How an invocation went at its time cases; it tells the next whether it was cut off before one came to its end.

    Attributes
    ----------
    together
        How many took turns at most.
    time_records
        Records of time cases that there were before.
    """

    together: Positive
    time_records: Count


class Invocation(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """One time that the run was started.

    Attributes
    ----------
    started
        ISO 8601, UTC.
    finished
        The same; null while it runs, and where it was killed.
    command
        What was typed.
    git
        The code that ran; null where that is not known.
    workers
        Cases side by side.
    load_before
        Load average just before.
    wall_seconds
        How long it took; null while it runs, and where it was killed.
    cases_run
        Cases that it ran.
    ceilings
        By name, what this machine reached at best before the first case; missing where nothing was timed and where no
        engine brings operations for it.
    ceilings_engine
        The engine that they were measured with: the first of the run that brings some.
    ended
        How: "killed" is said by the next invocation, and `cases_run` and `wall_seconds` are then those until its last
        record; missing while it runs.
    records_bytes
        Size of ``records.jsonl`` when it began.
    turns
        Only where it came to its time cases.
    """

    started: Timestamp
    finished: Timestamp | None
    command: Text
    git: Git | None
    workers: Positive
    load_before: Amount
    wall_seconds: Seconds | None
    cases_run: Count
    ceilings: dict[str, Ceiling] | None = None
    ceilings_engine: Name | None = None
    ended: Literal["done", "interrupted", "killed"] | None = None
    records_bytes: Count | None = None
    turns: Turns | None = None

    def __post_init__(self) -> None:
        for name in ("started", "finished"):
            value = getattr(self, name)
            try:
                value is None or datetime.fromisoformat(value)
            except ValueError:
                check(False, name, value, "a date that exists")


class Shards(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """Shards that a plan was cut into, in a run that has one of them or was merged of some.

    Attributes
    ----------
    of
        How many.
    here
        Numbers of those that this run has, from 1.
    shard_of
        The shard of each case, in the order of the plan.
    timed_elsewhere
        Names of runs with what was timed on other machines, where shards of several machines were merged.
    """

    of: Positive
    here: Annotated[list[Positive], Meta(min_length=1)]
    shard_of: list[Positive]
    timed_elsewhere: list[Text] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("here", "shard_of"):
            for number in getattr(self, name):
                check(number <= self.of, name, number, f"1 to {self.of}, as `of` says")
        check(len(set(self.here)) == len(self.here), "here", self.here, "each once")


def fingerprint(family: Sequence[tuple[str, str]]) -> str:
    """Name a list of declared comparisons by what is in it, and in which order."""
    return sha256("\n".join(f"{first} {second}" for first, second in family).encode()).hexdigest()


class RunRecord(Definition, frozen=True, kw_only=True, omit_defaults=True):
    """A run, as ``run.json`` holds it.

    Attributes
    ----------
    schema
        Version of this definition.
    run
        Name of the run.
    preset
        The preset as read.
    plan
        Every case, in order.
    plan_sha256
        Fingerprint of the plan and its training settings.
    family
        The comparisons that the run is to decide, each two keys, declared in the preset before the first training;
        every other comparison is exploratory.
    family_sha256
        Fingerprint of it, since Holm's correction is the weaker the shorter it is; missing in older runs.
    data
        Fingerprint of the data of each task, by its name and dial.
    refused
        Combinations that were left out on purpose.
    series
        Only of a run on a user's own series.
    machine
        Where it ran.
    machine_sha256
        Fingerprint of the parts of it that may not change within a run.
    machine_class_sha256
        Fingerprint of what makes machines alike, so that a history outlives an update of the system.
    configurations
        Ways of running the cases, as asked for; missing where there is the usual one alone.
    shards
        Of a run that is a shard of its plan, or merged of some; missing where it has the whole plan.
    versions
        Of what is installed, by package.
    invocations
        One entry for each time that the run was started.
    """

    schema: Literal[1]
    run: Text
    preset: PresetRead
    plan: list[Case]
    plan_sha256: Sha256
    family: list[tuple[Text, Text]]
    family_sha256: Sha256 | None = None
    data: dict[str, Text] = msgspec.field(default_factory=dict)
    refused: list[Refused]
    series: OwnSeries | None = None
    machine: Machine
    machine_sha256: Sha256
    machine_class_sha256: Sha256 | None = None
    configurations: list[Asked] = msgspec.field(default_factory=list)
    shards: Shards | None = None
    versions: dict[str, Text]
    invocations: list[Invocation]

    def __post_init__(self) -> None:
        keys = {case.key for case in self.plan}
        check(len(keys) == len(self.plan), "plan", len(self.plan), f"{len(keys)} cases, each once")
        if self.shards:
            check(
                len(self.shards.shard_of) == len(keys), "shards", len(self.shards.shard_of), f"{len(keys)}, one a case"
            )
        if self.family_sha256 is not None:
            told = fingerprint(self.family)
            check(self.family_sha256 == told, "family_sha256", self.family_sha256, f"{told}, as family says")
        for number, (first, second) in enumerate(self.family):
            for key in (first, second):
                check(key in keys, f"family[{number}]", key, "a key of the plan")
            check(first != second, f"family[{number}]", first, "two keys")
