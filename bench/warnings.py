"""Everything that a run may have to warn of, a closed list, each with its remedy."""

from enum import StrEnum


class Warn(StrEnum):
    """Codes as they stand in a record's ``warnings``."""

    RATE_AT_EDGE = "rate-at-edge"
    NO_RATE_REACHES = "no-rate-reaches"
    DIVERGED = "diverged"
    UNSETTLED = "unsettled"
    BUSY_MACHINE = "busy-machine"
    OTHER_KERNEL = "other-kernel"
    SLOWED = "slowed"
    MISALIGNED = "misaligned"
    OTHER_MACHINE = "other-machine"


REMEDIES: dict[Warn, tuple[str, str]] = {
    Warn.RATE_AT_EDGE: (
        "the learning rate chosen is at the edge of the grid, so a better one may lie beyond it",
        "widen `learning_rates` in the preset on that side",
    ),
    Warn.NO_RATE_REACHES: (
        "no tuning seed reached the target at any learning rate; the rate with the lowest error was taken",
        "a larger `epochs` or another `learning_rates` grid would tell whether the arm can reach it at all",
    ),
    Warn.DIVERGED: (
        "at least one evaluation replicate ended with an error that is not a number",
        "leave the largest learning rate out of the grid",
    ),
    Warn.UNSETTLED: (
        "the two halves of the timing samples differ by more than 10 %",
        "run again on a quieter machine; take the figure as rough until then",
    ),
    Warn.BUSY_MACHINE: (
        "other programs took a tenth of what the machine can do, or more, while something was timed",
        "close other programs and run the time cases again under another RUN name",
    ),
    Warn.OTHER_KERNEL: (
        "another kernel ran than the one asked for",
        "read `kernel_seen` and `evidence` in the record; the figure belongs to the kernel that ran",
    ),
    Warn.SLOWED: (
        "the machine swapped, or was slowed down for its heat or power, while a case was timed",
        "close what takes memory, let it cool, and run the time cases again under another RUN name",
    ),
    Warn.OTHER_MACHINE: (
        "it was trained on another machine than the run's, so its seconds are compared with nothing",
        "its updates and errors count; for seconds run it where the run's time cases ran",
    ),
    Warn.MISALIGNED: (
        "the state was carried to windows that do not continue those it came from",
        "use it to reproduce what others published, and the regime `stateful` for anything else",
    ),
}
"""Code -> what it means, what to do."""
