"""What a frame is: a table of rows and columns, each column with its type, its meaning and where it comes from."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from bench.case.record import Record
from reports.claim.arms import Comparison, WidthComparison, comparisons, self_comparisons, width_comparisons
from reports.claim.controls import LongerWindow, Otherwise, longer_windows, predicted_otherwise
from reports.claim.robustness import SameArm, Sensitivity, same_arms, sensitivities
from reports.collect.read import Run
from reports.costs import Costs, costs
from reports.costs.contrasts import Contrasts, contrasts
from reports.costs.timings import timings
from tasks import dials

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A run and what was made of it (`known`): each is computed where it is first asked for, unless a report has it.

    `comparisons` are those of two regimes, with the same target and at least one paired seed. `keys`: of the records
    that rows are wanted of, where not of all.
    """

    name: str
    run: Run
    known: dict[str, Any]
    keys: Collection[str] | None = None

    def wants(self, record: Record) -> bool:
        """Whether rows of this record are wanted."""
        return self.keys is None or record.key in self.keys

    @property
    def records(self) -> Iterator[Record]:
        """Those that rows are wanted of."""
        return filter(self.wants, self.run.records)

    @property
    def comparisons(self) -> list[Comparison]:
        """Two regimes of one setting."""
        return self._known("comparisons", lambda: [one for one in comparisons(self.run) if one.same_target and one.a.n])

    @property
    def a_a(self) -> list[Comparison]:
        """An arm with itself on other seeds."""
        return self._known("a_a", lambda: self_comparisons(self.run))

    @property
    def longer_windows(self) -> list[LongerWindow]:
        """Carried state at a short window with a stateless network at a long one."""
        return self._known("longer_windows", lambda: longer_windows(self.run))

    @property
    def otherwise(self) -> list[Otherwise]:
        """A trained network predicting in another way."""
        return self._known("otherwise", lambda: predicted_otherwise(self.run))

    @property
    def same_arms(self) -> list[SameArm]:
        """An arm by two engines."""
        return self._known("same_arms", lambda: same_arms(self.run))

    @property
    def widths(self) -> list[WidthComparison]:
        """Both arms over the widths."""
        return self._known("widths", lambda: width_comparisons(self.run))

    @property
    def sensitivity(self) -> list[Sensitivity]:
        """Ratios at other targets."""
        return self._known("sensitivity", lambda: sensitivities([o for o in self.comparisons if o.of_the_claim]))

    @property
    def contrasts(self) -> Contrasts:
        """Two timed cases."""
        if "costs" in self.known:
            return self.costs.contrasts
        return self._known("contrasts", lambda: contrasts(timings(self.run)))

    @property
    def costs(self) -> Costs:
        """All that the run says of costs."""
        return self._known("costs", lambda: costs(self.run))

    def _known(self, name: str, compute: Callable[[], T]) -> T:
        if name not in self.known:
            self.known[name] = compute()
        found: T = self.known[name]
        return found


class OfRecord(NamedTuple):
    """A record of a run; `part` is what a row is about."""

    source: Source
    record: Record
    part: Any = None


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    dtype
        As pandas names it; ``category`` for text that repeats, ``Int64`` and ``boolean`` where a value may be missing.
    meaning
        What it is, with its unit.
    of
        Its value of a row; in a table whose rows come in series, an array or what all rows of the series share.
    about
        What of a row `of` is asked of instead, once for all rows that share it; where it is None the value is missing.
    """

    name: str
    dtype: str
    meaning: str
    of: Callable[[Any], Any]
    about: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Table:
    """One frame.

    Attributes
    ----------
    row
        What a row is.
    rows
        The rows of a run, or series of rows.
    length
        Number of rows of a series; None where each is one row.
    """

    name: str
    row: str
    rows: Callable[[Source], Iterator[Any]]
    columns: tuple[Column, ...]
    length: Callable[[Any], int] | None = None


RUN = Column(
    "run",
    "category",
    "name of the run; with its folder where two runs share a name",
    attrgetter("name"),
    attrgetter("source"),
)
KEY = Column("key", "category", "the record: `<kind>/<case id>`, unique in a run", lambda row: row.record.key)


def attributes(about: Callable[[Any], Any], columns: dict[str, tuple[str, str]]) -> tuple[Column, ...]:
    """Columns, by name with dtype and meaning, that are attributes of one thing of a row."""
    return tuple(Column(name, dtype, meaning, attrgetter(name), about) for name, (dtype, meaning) in columns.items())


def renamed(form: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The same columns under other names; `form` has {} for the old one."""
    return tuple(replace(column, name=form.format(column.name)) for column in columns)


TASK = {"task": ("category", "task")}


def dial_of(about: Callable[[Any], Any]) -> Column:
    """Column of the dial of what has one: a case or a setting."""
    return Column(
        "dial",
        "category",
        "its dial as text, several with commas between; missing where it has none",
        lambda thing: None if thing.dial in (None, ()) else dials.write(thing.dial),
        about,
    )


NETWORK = {
    "cell": ("category", "recurrent cell"),
    "layers": ("int64", "recurrent layers"),
    "units": ("int64", "units of a layer"),
    "window": ("int64", "steps of a training window"),
    "batch_size": ("int64", "windows in a batch"),
    "kernel": ("category", "kernel asked for; `replicated` is the suite's own trainer"),
    "engine": ("category", "engine"),
    "device": ("category", "`cpu` or `gpu`"),
    "dtype": ("category", "number format of the network"),
}
