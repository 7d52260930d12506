"""Reads a user's file, whatever its kind, as a table of columns in which every value still knows its line."""

import bz2
import csv
import difflib
import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.csv_series import layout
from tasks.csv_series.layout import Row
from tasks.task import CsvSeriesError

MOST_ROWS = 5_000_000
"""Rows beyond which reading would take gigabytes; what is used of a file is far less."""

PARQUET, ZIP = b"PAR1", b"PK\x03\x04"
UNPACKING = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, RuntimeError)
"""What goes wrong with archives: torn, encrypted, or none at all."""
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ": lzma}
"""How compressed files begin, and what opens them."""
# Tab, line feed, form feed, carriage return and escape do occur in text.
BINARY = bytes(set(range(32)) - {9, 10, 12, 13, 27})
KINDS = "a CSV, Parquet, Excel or JSON-lines file"


@dataclass(frozen=True)
class Table:
    """A file as read.

    Attributes
    ----------
    columns
        Values of each column, shape (rows,): text from a CSV file or workbook, Python values from other files.
    lines
        Where each row stands in the file, counted from 1, shape (rows,); a CSV file's header counts.
    delimiter
        What stands between the fields; "" where a file has none.
    notes
        What a reader should know of how the file was read.
    faults
        What is wrong with its lines; rows of such lines are left out.
    """

    path: Path
    columns: dict[str, NDArray[Any]]
    lines: NDArray[np.int64]
    delimiter: str = ""
    notes: list[str] = field(default_factory=list)
    faults: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def unit(self) -> str:
        """What its rows are called: lines of a text, or rows."""
        return "line" if self.delimiter else "row"

    def place(self, row: int) -> str:
        """Say where a row stands, for messages."""
        return f"{self.path.name}, {self.unit} {self.lines[row]}"

    def column(self, name: str, option: str) -> NDArray[Any]:
        """Return a column.

        Raises
        ------
        CsvSeriesError
            If there is none of this name.
        """
        if name not in self.columns:
            numbered = [one for one in self.columns if one.startswith(f"{name} (column ")]
            if numbered:
                raise CsvSeriesError(
                    f"{self.path.name} has {len(numbered)} columns {name!r}; name one by its place, as in "
                    f"{option}='{numbered[0]}'."
                )
            near = difflib.get_close_matches(name, self.columns, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise CsvSeriesError(
                f"{self.path.name} has no column {name!r}.{hint} Columns: {', '.join(self.columns)}. "
                f"Name one with {option}=..."
            )
        return self.columns[name]


def read_table(path: Path) -> Table:
    """Read a file; what kind it is says its content.

    Raises
    ------
    CsvSeriesError
        If it is not there, not such a file, or has no header.
    """
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except FileNotFoundError as error:
        beside = sorted(one.name for one in path.parent.glob("*.*") if one.is_file()) if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.5)
        hint = f" Did you mean {path.parent / near[0]}?" if near else ""
        raise CsvSeriesError(f"there is no file {path}.{hint} Give the path of {KINDS}.") from error
    except IsADirectoryError as error:
        raise CsvSeriesError(f"{path} is a folder; give the path of one file in it.") from error
    except OSError as error:
        raise CsvSeriesError(f"{path} cannot be read: {error.strerror}.") from error
    if head.startswith(PARQUET):
        return _read_parquet(path)
    if head.startswith(ZIP) and not _is_workbook(path):
        return _read_text(path, partial(_only_member, path))
    if head.startswith((ZIP, b"\xd0\xcf\x11\xe0")):
        return _read_workbook(path)
    for magic, packed in PACKED.items():
        if head.startswith(magic):
            return _read_text(path, partial(packed.open, path))
    return _read_text(path, lambda: path.open("rb"))


def _read_text(path: Path, open_binary: Callable[[], IO[bytes]]) -> Table:
    """Read lines of text: JSON if they are objects, else fields with a delimiter."""
    try:
        with open_binary() as file:
            head = file.read(2**16)
    except UNPACKING as error:
        raise CsvSeriesError(f"{path.name} cannot be unpacked ({error}); pack it again, or unpack it.") from error
    if not head.strip():
        raise CsvSeriesError(f"{path.name} is empty; it must hold a header line and the values below it.")
    if head.startswith(PARQUET):
        raise CsvSeriesError(f"{path.name} is a packed Parquet file; unpack it.")
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not wide and head.translate(None, BINARY) != head:
        raise CsvSeriesError(f"{path.name} is not a text file; give {KINDS}.")
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"{", b"[{", b"[\n", b"[\r\n", b"[ ")):
        return _read_json(path, open_binary)
    notes: list[str] = []
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return _as_table(path, _read_lines(path, open_binary, encoding), notes)
        except UnicodeDecodeError:
            notes = ["The file is not UTF-8; it was read as Windows-1252."]
    raise CsvSeriesError(f"{path.name} is not text in UTF-8 or Windows-1252; save it as UTF-8.")


def _read_lines(path: Path, open_binary: Callable[[], IO[bytes]], encoding: str) -> layout.Found:
    try:
        with open_binary() as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
            return layout.read_text(path, text, MOST_ROWS)
    except UNPACKING as error:
        raise CsvSeriesError(f"{path.name} cannot be unpacked ({error}); pack it again, or unpack it.") from error
    except csv.Error as error:
        raise CsvSeriesError(
            f"{path.name} cannot be read as lines of fields: {error}. A quote that is not closed makes one field of "
            "many lines, and lines must end in LF or CR LF."
        ) from error


def _as_table(path: Path, found: layout.Found, notes: list[str]) -> Table:
    columns = {name: np.array(column, dtype=object) for name, column in zip(found.names, found.columns, strict=True)}
    return Table(path, columns, np.array(found.lines), found.delimiter, notes + found.notes, tuple(found.faults))


def _only_member(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    inside = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    if len(inside) != 1:
        names = ", ".join(one.filename for one in inside[:5])
        raise CsvSeriesError(f"{path.name} holds {len(inside)} files ({names}); unpack it and give one of them.")
    return archive.open(inside[0])


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "[Content_Types].xml" in archive.namelist()
    except zipfile.BadZipFile as error:
        raise CsvSeriesError(f"{path.name} is a torn ZIP archive or workbook ({error}); write it again.") from error


def _read_workbook(path: Path) -> Table:
    """Read the first sheet as rows of fields, so that titles above and notes below it are known for what they are."""
    try:
        sheet = pd.read_excel(path, header=None, dtype=object, engine="calamine")
    except ImportError as error:
        raise CsvSeriesError(
            f"{path.name} is an Excel workbook, which needs a package: pip install 'python-calamine>=0.4'; or save the "
            "sheet as a CSV file."
        ) from error
    except Exception as error:  # the reader's own errors have no common class
        raise CsvSeriesError(f"{path.name} is no whole workbook ({error}); save it again.") from error
    rows = (Row(number, [_as_text(value) for value in fields]) for number, fields in enumerate(sheet.to_numpy(), 1))
    found = layout.read_rows(path, rows, delimiter="")
    return _as_table(path, found, ["The first sheet of the workbook was read."])


def _as_text(value: Any) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _read_json(path: Path, open_binary: Callable[[], IO[bytes]]) -> Table:
    """Read one object a line, or one value that holds the rows."""
    try:
        with open_binary() as file:
            text = file.read().decode("utf-8-sig").strip()
        try:
            frame = _frame_of(json.loads(text))
        except json.JSONDecodeError:
            if text.startswith("["):
                raise
            frame = pd.json_normalize([json.loads(one) for one in text.splitlines() if one.strip()])
    except (*UNPACKING, ValueError, NotImplementedError, AttributeError) as error:
        raise CsvSeriesError(
            f"{path.name} is no whole file of JSON lines ({str(error)[:80]}); each line must hold one object, as in "
            '{"time": "2024-01-31 18:30", "value": 1.5}'
        ) from error
    return _from_frame(path, frame)


def _frame_of(value: Any) -> pd.DataFrame:
    """Rows of a list of objects, or columns as lists of one length, wherever in an answer of a service they stand.

    Raises
    ------
    ValueError
        If it holds neither.
    """
    found = []
    for part in _within(value):
        if isinstance(part, list) and all(isinstance(row, dict) for row in part):
            found.append(pd.json_normalize(part))
        elif isinstance(part, dict):
            columns = {name: one for name, one in part.items() if isinstance(one, list)}
            plain = not any(isinstance(cell, (dict, list)) for column in columns.values() for cell in column)
            if plain and len({len(column) for column in columns.values()}) == 1:
                found.append(pd.DataFrame(columns))
    if not found:
        raise ValueError("neither rows as objects nor columns of one length are in it")
    return max(found, key=len)


def _within(value: Any) -> Iterator[Any]:
    """Objects and lists of an answer, from the outside in: through objects, and lists of one object."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        yield from _within(value[0])
    elif isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _within(one)
    elif isinstance(value, list) and value:
        yield value


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
    return _from_frame(path, frame)


def _from_frame(path: Path, frame: pd.DataFrame) -> Table:
    # Row numbers are no column; any other index is, whether it has a name or not.
    if not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None):
        levels = [name if name is not None else f"index{i or ''}" for i, name in enumerate(frame.index.names)]
        index = frame.index.to_frame(index=False)
        frame = pd.concat([index.set_axis(levels, axis=1), frame.reset_index(drop=True)], axis=1)
    if not len(frame):
        raise CsvSeriesError(f"{path.name} has no rows.")
    names = layout.unique_names([_name(name) for name in frame.columns])
    columns = {name: frame.iloc[:, place].to_numpy() for place, name in enumerate(names)}
    return Table(path, columns, np.arange(1, len(frame) + 1))


def _name(name: Any) -> str:
    return " ".join(map(str, name)).strip() if isinstance(name, tuple) else str(name)
