"""What a user asks of a file."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tasks.task import CsvSeriesError

LEAST_ROWS = 200
"""Two thirds of fewer would hold less than four batches of eight windows of four steps."""
USED_ROWS = 10_000
"""Values that are used, the most recent ones, unless ROWS says otherwise: what trains in minutes."""
FILLS = ("last", "mask")
SPLITS = ("time", "series")
SCALES = ("series", "shared")


@dataclass(frozen=True)
class Request:
    """What a user asked for; None where the file is to tell.

    Attributes
    ----------
    column
        The column to predict, or several as "a,b".
    inputs
        Columns seen beside its own past.
    known
        Columns known beforehand, seen at the time of the value to predict.
    past
        Whether the past of what is to be predicted is seen; else it is predicted from the other columns alone.
    ahead
        How many steps after the last row that is seen the value to predict stands; None for the usual: 1, or 0 without
        its own past.
    time
        Column of times, or columns that make one together, as "date,hour"; "none" to take rows as even steps.
    dayfirst
        Whether the day comes before the month in dates that may be read both ways.
    no_value
        What stands for no value beside the usual ways of writing that; () that no number does.
    group, member
        Column that tells several series apart, and those to take, as "a,b"; None for all of them.
    split
        "time": of each series the last part is held out; "series": whole series are; else the column that says of
        each row whether it is for train or test.
    scale
        "series": each series is scaled by its own training values; "shared": all by those of all. None for what the
        split allows.
    period
        Steps of the season; 0 for none.
    fill
        Where a value is missing: "last" to repeat the last one; "mask" to show the last one and a flag, and to neither
        train on nor score what would be to predict there.
    labels
        Whether the column to predict holds labels; None for text in which few words come again and again.
    rows
        How many of the most recent values to use; None for `USED_ROWS`, or all where a column says what trains.
    decimal
        "," or "." where a column leaves open what its commas and points mean.
    """

    path: Path
    column: str | None = None
    time: str | None = None
    dayfirst: bool | None = None
    no_value: tuple[str, ...] | None = None
    group: str | None = None
    member: str | None = None
    split: str = "time"
    scale: str | None = None
    inputs: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    past: bool = True
    ahead: int | None = None
    period: int | None = None
    fill: str | None = None
    labels: bool | None = None
    rows: int | None = None
    decimal: str | None = None

    @property
    def scaled_alone(self) -> bool:
        """Whether each series is scaled by its own training values."""
        return self.scale == "series" if self.scale else self.split != "series"

    @property
    def split_column(self) -> str | None:
        """The column that says which rows train; None where they are split by time or by series."""
        return None if self.split in SPLITS else self.split

    @property
    def most_rows(self) -> int:
        """How many of the most recent values are used."""
        usual = sys.maxsize if self.split_column else USED_ROWS
        return usual if self.rows is None else self.rows

    @property
    def steps_ahead(self) -> int:
        """Steps from the last row seen to the value to predict."""
        return self.ahead if self.ahead is not None else int(self.past)


def check_request(request: Request) -> None:
    """Refuse what no file could answer.

    Raises
    ------
    CsvSeriesError
        Naming the option and its valid values.
    """
    if request.fill is not None and request.fill not in FILLS:
        raise CsvSeriesError(
            f"FILL={request.fill} is not valid; FILL=last repeats the last value, FILL=mask shows "
            "it with a flag and predicts nothing there."
        )
    if request.decimal not in {None, ",", "."}:
        raise CsvSeriesError(f"DECIMAL={request.decimal} is not valid; give DECIMAL=, or DECIMAL=.")
    if request.rows is not None and request.split_column:
        raise CsvSeriesError(
            f"ROWS={request.rows} keeps the most recent values, and SPLIT={request.split} says which rows are used; "
            "leave one of them out."
        )
    if request.most_rows < LEAST_ROWS:
        raise CsvSeriesError(f"ROWS={request.rows} is too few; use at least {LEAST_ROWS}.")
    if request.ahead is not None and not int(request.past) <= request.ahead <= LEAST_ROWS // 4:
        raise CsvSeriesError(
            f"AHEAD={request.ahead} is not valid; give a whole number of steps from {int(request.past)} to "
            f"{LEAST_ROWS // 4}."
        )
    if not request.past and not (request.inputs or request.known):
        raise CsvSeriesError("PAST=no leaves nothing to predict from; name other columns with INPUTS=...")
    _check_several(request)


def _check_several(request: Request) -> None:
    if request.scale is not None and request.scale not in SCALES:
        raise CsvSeriesError(
            f"SCALE={request.scale} is not valid; give {' or '.join(f'SCALE={one}' for one in SCALES)}."
        )
    if request.split == "series" and request.scale == "series":
        raise CsvSeriesError("SPLIT=series holds out series without training values; only SCALE=shared can scale them.")
    for option, asked in (("SPLIT", request.split == "series"), ("SCALE", request.scale is not None)):
        if asked and request.group is None:
            raise CsvSeriesError(f"{option}=... needs GROUP=..., the column that tells the series apart.")
    if request.member is not None and request.group is None:
        raise CsvSeriesError(f"SERIES={request.member} needs GROUP=..., the column that tells the series apart.")
