"""Finds header and values in lines of fields: what stands above, between and below them is skipped and reported."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from tasks.csv_series.written import COMMA, is_missing, is_number
from tasks.task import CsvSeriesError

DELIMITERS = (",", ";", "\t", "|")
BLANKS = " "
"""Columns set apart by any number of blanks; tried where no delimiter fits."""
SAMPLE_LINES = 300
USUAL = 0.6
"""Share of a column's values that are of a kind in a column of that kind."""

INDEX = "index"
"""Name for a first column without one: the row labels that pandas and R write."""
WHOLE = re.compile(r"[+-]?\d+")
DATA = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|[+-]\d.*")
"""A field that is a number with a fraction or a sign, or a date, as no column is named."""
TIME = re.compile(r"\d{1,4}[-/.: ]\s?\w.*|\d{4}[MQW]\d\d?|[A-Za-z.]{3,9},? \d{1,2},? .*|[A-Za-z]{3,9}[- ]\d{2,4}")
SEPARATOR = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)


class Row(NamedTuple):
    """Fields of a row and the line that it begins on, counted from 1."""

    line: int
    fields: list[str]


@dataclass
class Found:
    """What a file holds.

    Attributes
    ----------
    names
        Of the columns, each once.
    columns
        Texts of each, one a row.
    lines
        Line of each row.
    delimiter
        What stands between the fields.
    notes, faults
        What was skipped, and lines that do not fit the header and are no rows.
    """

    names: list[str]
    delimiter: str
    columns: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_text(path: Path, text: IO[str], most_rows: int) -> Found:
    """Read a text.

    Raises
    ------
    CsvSeriesError
        If it has no header or no values, a quotation mark is left open, or it has too many rows.
    """
    sample = [line for line in itertools.islice(text, SAMPLE_LINES) if line.strip() and not line.startswith("#")]
    if not sample:
        raise CsvSeriesError(f"{path.name} is empty; it must hold a header line and the values below it.")
    told = SEPARATOR.fullmatch(sample[0])
    delimiter = told[1] if told else _delimiter(sample)
    text.seek(0)
    comments: dict[int, str] = {}
    rows = _rows(path, text, delimiter, most_rows, comments)
    if told:
        next(rows)
    return read_rows(path, rows, delimiter=delimiter, comments=comments)


def read_rows(path: Path, rows: Iterable[Row], *, delimiter: str, comments: dict[int, str] | None = None) -> Found:
    """Read rows of fields.

    Parameters
    ----------
    comments
        Lines that were left out, which grows while the rows are read; the last one above the values may be the header.

    Raises
    ------
    CsvSeriesError
        If there is no header, or no values below it.
    """
    rows, comments = iter(rows), {} if comments is None else comments
    head = list(itertools.islice(rows, SAMPLE_LINES))
    header, body = _header(path, head, delimiter, comments)
    names = [name.strip() for name in header.fields]
    while len(names) > 1 and not names[-1]:  # delimiters at the end of each line
        names.pop()
    width = len(names)
    usual = _usual_kinds(body, width)
    start = 0
    while start < min(len(body) - 1, 5) and body[start].fields and not _like_data(body[start].fields, usual):
        start += 1
    above = [row for row in head if row.line < header.line and any(row.fields)]
    found = Found(_names(names, [row.fields for row in body[:start]]), delimiter, [[] for _ in names])
    _tell(found, above, "above the header")
    _tell(found, body[:start], "below the header, without values,")
    ragged: list[Row] = []
    again = 0
    rows = itertools.chain(body[start:], rows)
    for line, fields in _without_remarks(found, rows) if delimiter == BLANKS else rows:
        if len(fields) != width and fields and (len(fields) < width or any(fields[width:])):
            ragged.append(Row(line, fields))
        elif fields == header.fields and width > 1:
            again += 1
            _drop_blank_rows(found)
        else:
            found.lines.append(line)
            for column, value in zip(found.columns, fields or [""] * width, strict=False):
                column.append(value)
    if again:
        were = "s, which were" if again > 1 else ", which was"
        found.notes.append(f"The header is repeated in {again:,} line{were} skipped.")
    if comments:
        found.notes.append(f"{len(comments):,} line{'s' if len(comments) > 1 else ''} of comments (#) were skipped.")
    ragged = _without_footer(found, usual, ragged)
    _check_widths(path, found, ragged, width, header.line)
    if not found.lines:
        raise CsvSeriesError(f"{path.name} has a header in line {header.line} and no values below it.")
    return found


def unique_names(names: Sequence[str]) -> list[str]:
    """Tell columns of one name apart by their place: it matters only if one of them is asked for."""
    count = Counter(names)
    return [f"{name} (column {i})" if count[name] > 1 else name for i, name in enumerate(names, 1)]


def kind(text: str) -> str:
    """What a field looks like: number, time or text; "" where it says that there is no value."""
    if is_missing(text):
        return ""
    if is_number(text):
        return "number"
    return "time" if TIME.fullmatch(text.strip()) else "text"


def _rows(path: Path, text: IO[str], delimiter: str, most: int, comments: dict[int, str]) -> Iterator[Row]:
    def without_comments() -> Iterator[str]:
        for number, line in enumerate(text, 1):
            if line.startswith("#"):
                comments[number] = line
                yield "\n"
            else:
                yield line

    reader = csv.reader(without_comments(), delimiter=delimiter, skipinitialspace=True, strict=True)
    line, count = 1, 0
    try:
        for fields in reader:
            if line not in comments:
                count += 1
                if count > most:
                    raise CsvSeriesError(
                        f"{path.name} has more than {most:,} rows; keep its most recent part, as in "
                        f"(head -n 1 {path.name}; tail -n 1000000 {path.name}) > recent.csv"
                    )
                yield Row(line, fields)
            line = reader.line_num + 1
    except csv.Error as error:
        why = "a quotation mark is opened and never closed" if "end of data" in str(error) else str(error)
        raise CsvSeriesError(f"{path.name}, line {line}: {why}; mend that line.") from error


def _delimiter(sample: Sequence[str]) -> str:
    """The delimiter with which most lines have the same number of fields; of equals that with most fields."""

    def merit(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(fields) for fields in csv.reader(sample, delimiter=delimiter, skipinitialspace=True))
        return max(((rows / widths.total(), width) for width, rows in widths.items() if width > 1), default=(0, 1))

    if all(COMMA.fullmatch(line.strip().strip('"')) for line in sample[1:]):
        return ";"  # one column: a comma in it is a decimal one
    best = max(DELIMITERS, key=merit)
    return BLANKS if merit(best)[0] <= 1 / 2 < merit(BLANKS)[0] else best


def _header(path: Path, head: list[Row], delimiter: str, comments: dict[int, str]) -> tuple[Row, list[Row]]:
    """The row of names, and the rows below it."""
    filled = [i for i, row in enumerate(head) if any(field.strip() for field in row.fields)]
    if not filled:
        raise CsvSeriesError(f"{path.name} is empty; it must hold a header line and the values below it.")
    # Of the latter rows, as titles stand at the top.
    widths = Counter(len(head[i].fields) for i in filled[len(filled) // 3 :])
    width = max(widths, key=lambda one: (widths[one], one))
    least = Counter(_filled_width(head[i].fields) for i in filled if len(head[i].fields) == width).most_common(1)[0][0]
    # A spreadsheet writes titles with as many delimiters as it has columns.
    first = next(i for i in filled if len(head[i].fields) == width and _filled_width(head[i].fields) >= least)
    before = [i for i in filled if i < first]
    if not _is_data(head[first].fields) and not _is_row(head[first].fields, [head[i] for i in filled if i > first]):
        return head[first], head[first + 1 :]
    # A header may lack the delimiter at the end that each line below it has, or have one of its own.
    if before and len(head[before[-1]].fields) in {width - 1, width + 1} and not _is_data(head[before[-1]].fields):
        return head[before[-1]], head[first:]
    if above := [line for line in comments if line < head[first].line]:
        names = next(csv.reader([comments[above[-1]].lstrip("# \t")], delimiter=delimiter, skipinitialspace=True))
        if len(names) == width and not _is_data(names):
            del comments[above[-1]]
            return Row(above[-1], names), head[first:]
    at = head[before[0] if before and not width - 1 else first]
    raise CsvSeriesError(
        f"{path.name}, line {at.line} holds values ({', '.join(at.fields[:3])}) where the names of the columns are "
        "expected; add a header line, as in time,value"
    )


def _filled_width(fields: Sequence[str]) -> int:
    return max(i for i, text in enumerate(fields, 1) if text.strip())


def _is_data(fields: Sequence[str]) -> bool:
    names = [name.strip() for name in fields]
    data = any(map(DATA.fullmatch, names)) or all(WHOLE.fullmatch(name) for name in names if name)
    # pandas writes a nameless index first, and column 0 after it; that is a header all the same.
    return bool(names[0]) and data


def _is_row(fields: Sequence[str], body: Sequence[Row]) -> bool:
    """Whether a line that seems to hold names is a row like those below: with a word that stands in all of them."""
    below = [row.fields for row in body if len(row.fields) == len(fields)]
    words = [place for place, text in enumerate(fields) if kind(text) == "text"]
    numbers = [place for place, text in enumerate(fields) if kind(text) == "number"]
    return len(below) > 2 and bool(numbers) and any(all(row[i] == fields[i] for row in below) for i in words)


def _usual_kinds(body: Sequence[Row], width: int) -> dict[int, str]:
    """Columns that hold numbers or times, by their place."""
    usual = {}
    for place in range(width):
        kinds = Counter(kind(row.fields[place]) for row in body if len(row.fields) > place)
        del kinds[""]
        if kinds and (best := max(kinds, key=kinds.__getitem__)) != "text" and kinds[best] >= USUAL * kinds.total():
            usual[place] = best
    return usual


def _like_data(fields: Sequence[str], usual: dict[int, str]) -> bool:
    return not usual or any(place < len(fields) and kind(fields[place]) == one for place, one in usual.items())


def _without_remarks(found: Found, rows: Iterable[Row]) -> Iterator[Row]:
    """Rows without words behind their values, which columns set apart by blanks have room for."""
    width, remarks = len(found.names), Counter[str]()
    for row in rows:
        behind = row.fields[width:]
        if {kind(text) for text in behind} == {"text"}:
            remarks[" ".join(behind)] += 1
            yield Row(row.line, row.fields[:width])
        else:
            yield row
    if remarks:
        lines = f"{remarks.total():,} line{'s' if remarks.total() > 1 else ''}"
        listed = ", ".join(map(repr, list(remarks)[:3])) + (", ..." if len(remarks) > 3 else "")
        found.notes.append(f"Remarks behind the values of {lines} were left out ({listed}).")


def _drop_blank_rows(found: Found) -> None:
    """Take away blank lines at the end, which part a block of values from the header of the next."""
    while found.lines and not any(column[-1].strip() for column in found.columns):
        found.lines.pop()
        for column in found.columns:
            column.pop()


def _names(names: list[str], more: Sequence[Sequence[str]]) -> list[str]:
    """Names of the columns, from further header lines where the first leaves them open."""
    names = list(names)
    for fields in more:
        told = [name.strip() for name in fields[: len(names)]]
        if told and told[0] and not any(told[1:]):  # what pandas calls the index of a table with several header lines
            names[0] = told[0]
        elif len(set(names)) < len(names) and len(told) == len(names):
            count = Counter(names)
            names = [
                f"{name} {extra}".strip() if count[name] > 1 else name for name, extra in zip(names, told, strict=True)
            ]
    return unique_names([name or (f"column {i}" if i > 1 else INDEX) for i, name in enumerate(names, 1)])


def _tell(found: Found, rows: Sequence[Row], where: str) -> None:
    if rows:
        lines = f"line {rows[0].line}" if len(rows) == 1 else f"lines {rows[0].line} to {rows[-1].line}"
        found.notes.append(f"{lines.capitalize()} {where} {'was' if len(rows) == 1 else 'were'} skipped.")


def _without_footer(found: Found, usual: dict[int, str], ragged: list[Row]) -> list[Row]:
    """Take away what stands below the values, and the blank lines there, which are no missing values."""
    last = len(found.lines)
    cut: list[int] = []
    while last:
        fields = [column[last - 1] for column in found.columns]
        if any(field.strip() for field in fields):
            if _like_data(fields, usual):
                break
            cut.append(found.lines[last - 1])
        last -= 1
    end = found.lines[last - 1] if last else 0
    notes = [row.line for row in ragged if row.line > end and not _like_data(row.fields, usual)]
    cut = sorted(cut + notes)
    if last and cut:
        found.notes.append(
            f"{len(cut):,} line{'s' if len(cut) > 1 else ''} below the values, from line {cut[0]}, "
            f"{'were' if len(cut) > 1 else 'was'} skipped."
        )
    del found.lines[last:]
    for column in found.columns:
        del column[last:]
    return [row for row in ragged if row.line not in notes]


def _check_widths(path: Path, found: Found, ragged: list[Row], width: int, header: int) -> None:
    if not ragged:
        return
    first = len(ragged[0].fields)
    hint = (
        "quote a field that holds commas, and where commas are decimals put ; between the columns"
        if found.delimiter == "," and first > width
        else "mend or remove that line"
    )
    count = f" ({len(ragged):,} such lines)" if len(ragged) > 1 else ""
    found.faults.append(
        f"{path.name}, line {ragged[0].line} has {first} field{'s' if first > 1 else ''}, the header "
        f"{f'in line {header} ' if header > 1 else ''}{width}{count}; {hint}."
    )
