"""Numbers and lists for people: three significant digits, units, and what cannot be said as a dash."""

import math
import re
from collections.abc import Callable, Iterable, Sequence

from bench.errors import printable
from reports.statistics.intervals import Ratio

NOTHING = "–"
THIN = "\u202f"


def number(value: float | None) -> str:
    """Three significant digits, thousands set off, no exponent between 0.001 and a million."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}·10^{int(exponent)}"
    if value == int(value) and size < 1000:
        return str(int(value)).replace("-", "−")
    digits = max(0, 2 - math.floor(math.log10(float(f"{size:.2e}"))))
    return f"{value:,.{digits}f}".replace(",", THIN).replace("-", "−")


def mark(value: float) -> str:
    """Write an axis mark or a parameter: no zeros that only show precision."""
    if 0 < abs(value) < 1e-3:
        return f"{value:.3g}".replace("e-0", "e-").replace("-", "−")
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "·" not in text else text


def seconds(value: float | None) -> str:
    """Write a time in the unit that reads best."""
    if value is None or not math.isfinite(value):
        return number(value)
    if value == 0:
        return f"0{THIN}s"
    for scale, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        # Minutes and hours only from two of them on: 1.5 min reads worse than 90 s.
        if abs(value) >= scale * (2 if scale > 1 else 1):
            return f"{number(value / scale)}{THIN}{unit}"
    return f"{number(value)}{THIN}s"


def size(value: float | None) -> str:
    """Bytes in binary units."""
    if value is None:
        return NOTHING
    for scale, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(value) >= scale:
            return f"{number(value / scale)}{THIN}{unit}"
    return f"{number(value)}{THIN}B"


ERRORS = {"mse": "mean squared error", "crossentropy": "cross-entropy (nats)"}
"""What the error of each loss is called."""


def percent(value: float | None) -> str:
    """Write a share; three digits would feign precision."""
    return NOTHING if value is None or not math.isfinite(value) else f"{100 * value:.0f}{THIN}%".replace("-", "−")


def chance(value: float, low: float, high: float) -> str:
    """Write a probability with its limits."""
    return NOTHING if math.isnan(value) else f"{percent(value)} [{100 * low:.0f}, {100 * high:.0f}]"


def never(updates: float) -> str:
    """Write a whole number of updates; an infinite one is never."""
    return "never" if math.isinf(updates) else number(round(updates))


def span(low: float, high: float) -> str:
    """Limits of an interval."""
    return f"[{number(low)}, {number(high)}]"


def ratio(value: Ratio) -> str:
    """Write a ratio with its interval; marked where the limits are the coarser bound."""
    if value.method == "none":
        return NOTHING if math.isnan(value.value) else f"{number(value.value)} (no interval)"
    if value.value == 0:
        return f"≤ {number(value.high)}*" if math.isfinite(value.high) else NOTHING
    if math.isinf(value.value):
        return f"≥ {number(value.low)}*"
    return f"{number(value.value)} {span(value.low, value.high)}{'*' if value.method == 'bound' else ''}"


def limited(value: float, limits: tuple[float, float]) -> str:
    """Write a figure with its interval; a bound alone where the figure is infinite."""
    return f"≥ {number(limits[0])}" if math.isinf(value) else f"{number(value)} {span(*limits)}"


def low_to_high(values: Iterable[float], write: Callable[[float], str] = number) -> str:
    """Write the least and the greatest: "low to high", or one where both read the same."""
    values = list(values)
    return " to ".join(dict.fromkeys((write(min(values)), write(max(values)))))


def several(values: Sequence[float], limits: tuple[float, float], noun: str = "") -> str:
    """Write a figure with its interval, or the range of several and the limits of all their intervals."""
    if len(values) == 1:
        return f"{number(values[0])} {span(*limits)}{noun}"
    return f"{low_to_high(values)}{noun}, intervals within {span(*limits)}"


def listing(parts: Sequence[object]) -> str:
    """Join parts: a, b and c."""
    words = [str(part) for part in parts]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else NOTHING


def count(n: int, noun: str, plural: str = "") -> str:
    """Join a number and its noun: 1 setting, 2 settings."""
    return f"{integer(n)} {noun if n == 1 else plural or noun + 's'}"


def integer(n: int) -> str:
    """Write a count with all its digits, thousands set off."""
    return f"{n:,}".replace(",", THIN).replace("-", "−")


def table_cell(text: object) -> str:
    """Keep text inside a cell of a Markdown table; it may come from anyone."""
    return _inert(text).replace("|", "\\|")


def plain(text: object) -> str:
    """Keep text one line of text, wherever it stands outside of a table; it may come from anyone."""
    return BLOCK.sub(r"\\", _inert(text))


BLOCK = re.compile(r"^\s*(?=[#>+=~|\[-]|\*\s)")
"""What would make a heading, a list, a table, a block of code or the target of links of the line that it begins."""


def _inert(text: object) -> str:
    """One line without live HTML, links, images, code and control characters."""
    safe = printable(str(text).replace("\n", " ")).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace("`", "'").replace("](", "]\\(")


def code_line(text: object) -> str:
    """A line inside a block of code, which it cannot end."""
    return printable(str(text)).replace("\n", " ").replace("```", '"""')
