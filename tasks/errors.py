"""What can be wrong with a task or with what is asked of it."""


class TaskError(ValueError):
    """Any mistake in naming, setting up or using a task."""


class UnknownTaskError(TaskError):
    """No task has this name."""


class DuplicateTaskError(TaskError):
    """Two tasks claim one name."""


class InvalidTaskError(TaskError):
    """A class offered as a task is none, or cannot be loaded."""


class DialError(TaskError):
    """The dial does not fit the task."""


class WindowError(TaskError):
    """The window is no positive whole number, or longer than the data allow."""


class SeriesError(TaskError):
    """The arrays of a series do not fit together."""


class OwnSeriesError(TaskError):
    """A user's file, or what was asked of it, does not make a series."""
