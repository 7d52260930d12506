"""What is known of a user's own series beside its numbers: filled when it is prepared, checked when it is read."""

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=20_000)]
Name = Annotated[str, Meta(pattern=r"^\w{1,100}$")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Scale(Struct, frozen=True, kw_only=True):
    """How a column was scaled.

    Attributes
    ----------
    mean
        Of the training rows, in the column's own unit.
    deviation
        Standard deviation of them.
    """

    mean: float
    deviation: Annotated[float, Meta(gt=0)]


class Why(Struct, frozen=True, kw_only=True):
    """Reasons for what is tried.

    Attributes
    ----------
    windows
        Why these windows.
    batch_sizes
        Why these batch sizes.
    """

    windows: Text
    batch_sizes: Text


class About(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a series comes from, and what is tried on it.

    Attributes
    ----------
    file
        Name of the file.
    sha256
        Its fingerprint.
    slug
        Column as it stands in names of cases.
    column
        The target.
    inputs
        Columns beside it.
    time
        Column of times; null without one.
    group, member
        Column and value by which one series was taken out of several; null where there is one.
    rows_in_file
        Rows of the file.
    values
        Values of the series.
    first, last
        Times of its ends; "" without times.
    first_line, last_line
        Lines of the file that they stand in.
    step
        Time between two values, in words.
    period
        Steps of its season; null without one.
    period_found
        Autocorrelation by which the season was found; null where it was given.
    scale
        How the target's column was scaled.
    notes
        What a reader should know.
    windows
        Windows that are tried.
    batch_sizes
        Batch sizes that are tried.
    why
        Why these.
    targets
        How many columns are predicted; of labels each is one.
    labels
        Their names, most frequent first; empty where numbers are predicted.
    ahead
        Steps from the last row seen to the value to predict.
    past
        Whether the past of what is predicted is seen.
    path
        Where the file was.
    options
        What was asked for beside it, by the names of `tasks.csv_series.request.Request`.
    members
        Names of the series, where they are several.
    split
        By time, by series, or the column that says which rows train.
    parts
        Which series each sequence of the prepared numbers is of: of those that train, then of those held out; empty
        where it is one.
    """

    file: Text
    sha256: Text
    slug: Name
    column: Text
    inputs: list[Text]
    time: Text | None
    group: Text | None
    member: Text | None
    rows_in_file: Count
    values: Count
    first: Text
    last: Text
    first_line: Count
    last_line: Count
    step: Text
    period: Positive | None
    period_found: Annotated[float, Meta(ge=-1, le=1)] | None
    scale: Scale
    notes: list[Text]
    windows: list[Positive]
    batch_sizes: list[Positive] = []
    why: Why | None = None
    targets: Positive = 1
    labels: list[Text] = []
    ahead: Count = 1
    past: bool = True
    path: Text = ""
    options: dict[Name, bool | int | Text | list[Text]] = {}
    members: list[Text] = []
    split: Text = "time"
    parts: list[Text] = []
