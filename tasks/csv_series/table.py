"""Reads a CSV or Parquet file as a table of columns in which every value still knows its line."""

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.task import CsvSeriesError

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_LINES = 20
MOST_ROWS = 5_000_000
"""Rows beyond which reading would take gigabytes; what is used of a file is far less."""

PARQUET, ZIP, GZIP = b"PAR1", b"PK\x03\x04", b"\x1f\x8b"
# Tab, line feed, form feed, carriage return and escape do occur in text.
BINARY = bytes(set(range(32)) - {9, 10, 12, 13, 27})
INDEX = "index"
"""Name for a first column without one: the row labels that pandas and R write."""
WHOLE = re.compile(r"[+-]?\d+")
DATA = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|[+-]\d.*")
"""A field that is a number with a fraction or a sign, or a date, as no column is named."""


@dataclass(frozen=True)
class Table:
    """A file as read.

    Attributes
    ----------
    columns
        Values of each column, shape (rows,): text from a CSV file, Python values from a Parquet file.
    lines
        Where each row stands in the file, counted from 1, shape (rows,); a CSV file's header counts.
    delimiter
        What stands between the fields; "" in a Parquet file.
    notes
        What a reader should know of how the file was read.
    """

    path: Path
    columns: dict[str, NDArray[Any]]
    lines: NDArray[np.int64]
    delimiter: str = ""
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, row: int) -> str:
        """Say where a row stands, for messages."""
        return f"{self.path.name}, {'line' if self.delimiter else 'row'} {self.lines[row]}"

    def column(self, name: str, option: str) -> NDArray[Any]:
        """Return a column.

        Raises
        ------
        CsvSeriesError
            If there is none of this name.
        """
        if name not in self.columns:
            near = difflib.get_close_matches(name, self.columns, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise CsvSeriesError(
                f"{self.path.name} has no column {name!r}.{hint} Columns: {', '.join(self.columns)}. "
                f"Name one with {option}=..."
            )
        return self.columns[name]


def read_table(path: Path) -> Table:
    """Read a file, CSV or Parquet by its content.

    Raises
    ------
    CsvSeriesError
        If it is not there, not such a file, or its lines do not fit its header.
    """
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except FileNotFoundError as error:
        beside = sorted(one.name for one in path.parent.glob("*.*") if one.is_file()) if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.5)
        hint = f" Did you mean {path.parent / near[0]}?" if near else ""
        raise CsvSeriesError(f"there is no file {path}.{hint} Give the path of a CSV or Parquet file.") from error
    except IsADirectoryError as error:
        raise CsvSeriesError(f"{path} is a folder; give the path of one CSV or Parquet file in it.") from error
    except OSError as error:
        raise CsvSeriesError(f"{path} cannot be read: {error.strerror}.") from error
    if not head.strip():
        raise CsvSeriesError(f"{path.name} is empty; it must hold a header line and the values below it.")
    if head.startswith(PARQUET):
        return _read_parquet(path)
    for magic, kind in ((ZIP, "a ZIP archive or an Excel workbook"), (GZIP, "compressed with gzip")):
        if head.startswith(magic):
            raise CsvSeriesError(f"{path.name} is {kind}; save or unpack it as a CSV file.")
    try:
        return _read_csv(path, head)
    except csv.Error as error:
        raise CsvSeriesError(
            f"{path.name} cannot be read as lines of fields: {error}. A quote that is not closed makes one field of "
            "many lines, and lines must end in LF or CR LF."
        ) from error


def _read_csv(path: Path, head: bytes) -> Table:
    notes: list[str] = []
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not wide and head.translate(None, BINARY) != head:
        raise CsvSeriesError(f"{path.name} is not a text file; give a CSV or Parquet file.")
    try:
        return _parse(path, "utf-16" if wide else "utf-8-sig", notes)
    except UnicodeDecodeError:
        notes.append("The file is not UTF-8; it was read as Windows-1252.")
    try:
        return _parse(path, "cp1252", notes)
    except UnicodeDecodeError as error:
        raise CsvSeriesError(f"{path.name} is not text in UTF-8 or Windows-1252; save it as UTF-8.") from error


def _parse(path: Path, encoding: str, notes: list[str]) -> Table:
    with path.open(encoding=encoding, newline="") as file:
        sample = [line for _, line in zip(range(SAMPLE_LINES), (line for line in file if line.strip()), strict=False)]
        if not sample:
            raise CsvSeriesError(f"{path.name} is empty; it must hold a header line and the values below it.")
        delimiter = _delimiter(sample)
        file.seek(0)
        rows = _rows(path, csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True))
        names, first = _header(path, rows)
        lines: list[int] = []
        columns: list[list[str]] = [[] for _ in names]
        for line, fields in rows:
            _check_width(path, line, fields, len(names), delimiter)
            lines.append(line)
            for column, value in zip(columns, fields or [""] * len(names), strict=False):
                column.append(value)
    last = len(lines)
    while last and not any(column[last - 1] for column in columns):  # blank lines at the end are no missing values
        last -= 1
    if not last:
        raise CsvSeriesError(f"{path.name} has a header in line {first} and no values below it.")
    return Table(
        path,
        {name: np.array(column[:last], dtype=object) for name, column in zip(names, columns, strict=True)},
        np.array(lines[:last]),
        delimiter,
        notes,
    )


def _rows(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line that they begin on."""
    line = 1
    try:
        for count, fields in enumerate(reader):
            if count > MOST_ROWS:
                raise CsvSeriesError(
                    f"{path.name} has more than {MOST_ROWS:,} rows; keep its most recent part, as in "
                    f"(head -n 1 {path.name}; tail -n 1000000 {path.name}) > recent.csv"
                )
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        why = "a quotation mark is opened and never closed" if "end of data" in str(error) else str(error)
        raise CsvSeriesError(f"{path.name}, line {line}: {why}; mend that line.") from error


def _delimiter(sample: Sequence[str]) -> str:
    """The delimiter with which most lines have as many fields as the header; the first of those with most fields."""

    def merit(delimiter: str) -> tuple[bool, int]:
        widths = [len(fields) for fields in csv.reader(io.StringIO("".join(sample)), delimiter=delimiter)]
        return widths.count(widths[0]) >= 0.9 * len(widths), widths[0]

    fitting = [one for one in DELIMITERS if merit(one)[0] and merit(one)[1] > 1]
    found = max(fitting or DELIMITERS, key=lambda one: merit(one)[1])
    # One column: a comma in it is a decimal one.
    return found if merit(found)[1] > 1 else ";"


def _header(path: Path, rows: Iterable[tuple[int, list[str]]]) -> tuple[list[str], int]:
    line, fields = next((line, fields) for line, fields in rows if any(field.strip() for field in fields))
    names = [name.strip() for name in fields]
    # pandas writes a nameless index first, and column 0 after it; that is a header all the same.
    data = any(map(DATA.fullmatch, names)) or all(WHOLE.fullmatch(name) for name in names if name)
    if names[0] and data:
        raise CsvSeriesError(
            f"{path.name}, line {line} holds values ({', '.join(names[:3])}) where the names of the columns are "
            "expected; add a header line, as in time,value"
        )
    if not names[-1]:  # a delimiter at the end of each line
        names.pop()
    names = [name or (f"column {number}" if number > 1 else INDEX) for number, name in enumerate(names, 1)]
    for name in names:
        if names.count(name) > 1:
            raise CsvSeriesError(f"{path.name}, line {line} names two columns {name!r}; rename one.")
    return names, line


def _check_width(path: Path, line: int, fields: list[str], width: int, delimiter: str) -> None:
    if len(fields) == width or not fields or (not any(fields[width:]) and len(fields) > width):
        return
    hint = (
        "quote a field that holds commas, and where commas are decimals put ; between the columns"
        if delimiter == "," and len(fields) > width
        else "mend or remove that line"
    )
    raise CsvSeriesError(
        f"{path.name}, line {line} has {len(fields)} field{'s' if len(fields) > 1 else ''}, the header {width}; {hint}."
    )


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa  # noqa: PLC0415  (only where there is such a file)
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MOST_ROWS:
            raise CsvSeriesError(
                f"{path.name} has {file.metadata.num_rows:,} rows, more than {MOST_ROWS:,}; keep its most recent part."
            )
        frame = file.read().to_pandas()
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0]
        raise CsvSeriesError(f"{path.name} is no whole Parquet file ({why}); write it again.") from error
    if frame.index.name is not None:
        frame = frame.reset_index()
    if not len(frame):
        raise CsvSeriesError(f"{path.name} has no rows.")
    return Table(
        path,
        {str(name): frame[name].to_numpy() for name in frame.columns},
        np.arange(1, len(frame) + 1),
    )
