"""Finds tasks: those of this package and those that installed packages offer."""

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TypeGuard

import tasks
from tasks.dials import Dial
from tasks.task import DuplicateTaskError, InvalidTaskError, Task, UnknownTaskError

ENTRY_POINT_GROUP = "statebench.tasks"
_ADDED: dict[str, Task] = {}
# No hyphen: it separates the parts of a case id.
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")


def names() -> list[str]:
    """Return the names of all tasks, sorted."""
    return sorted(discover())


def add(task: Task) -> None:
    """Make a task known in this process that no module holds: a user's own series.

    Its name must say what it is: the same name is the same task.
    """
    _ADDED[_name_of(task)] = task


def create(name: str, dial: Dial | None = None) -> Task:
    """Return the task of this name at this dial (default: the task's own default).

    Raises
    ------
    UnknownTaskError
        If there is no such task.
    DialError
        If the dial does not fit the task.
    """
    if name in _ADDED and dial is None:
        return _ADDED[name]
    return _class_of(name)(dial)


def create_at(text: str) -> Task:
    """Return the task that a text names, as ``lagged_mean``, ``lagged_mean@16``, or with several dials or real ones.

    Raises
    ------
    UnknownTaskError
        If there is no such task.
    DialError
        If what follows the @ is no dial, or does not fit the task.
    """
    name, at, dial = text.partition("@")
    return create(name, _class_of(name).read_dial(dial) if at else None)


def _class_of(name: str) -> type[Task]:
    found, broken = _usable()
    here = found.get(name, [])
    if len(here) > 1:
        raise _two_named(name, *here[:2])
    if not here:
        near = difflib.get_close_matches(name, found, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        unusable = f" Not usable: {'; '.join(broken)}" if broken else ""
        raise UnknownTaskError(f"there is no task {name!r}.{hint} Valid tasks: {', '.join(sorted(found))}.{unusable}")
    return here[0]


def _usable() -> tuple[dict[str, list[type[Task]]], list[str]]:
    """Every task by its name, several where they claim one, and what cannot be used.

    A broken task is no reason to do without the others.
    """
    found: dict[str, list[type[Task]]] = {}
    broken = []
    loaders: list[Callable[[], list[type[Task]]]] = [*_own_loaders()]
    loaders += [partial(_load, one) for one in entry_points(group=ENTRY_POINT_GROUP)]
    for load in loaders:
        try:
            for task in load():
                here = found.setdefault(_name_of(task), [])
                here += [task] if task not in here else []
        except InvalidTaskError as error:
            broken.append(str(error))
    return found, broken


def discover() -> dict[str, type[Task]]:
    """Return every task by its name.

    Nothing is kept between calls: modules are imported once anyhow, and a task added meanwhile is seen.

    Raises
    ------
    DuplicateTaskError
        If two classes claim one name.
    InvalidTaskError
        If an entry point does not load to a task, or a task's name cannot be part of a case id.
    """
    found, broken = _usable()
    if broken:
        raise InvalidTaskError(broken[0])
    for name, here in found.items():
        if len(here) > 1:
            raise _two_named(name, *here[:2])
    return {name: here[0] for name, here in found.items()}


def _two_named(name: str, first: type[Task], second: type[Task]) -> DuplicateTaskError:
    return DuplicateTaskError(f"two tasks are named {name!r}: {_where(first)} and {_where(second)}; rename one.")


def _own_loaders() -> Iterator[Callable[[], list[type[Task]]]]:
    """One for each module of this package."""
    for module_info in pkgutil.iter_modules(tasks.__path__, prefix=f"{tasks.__name__}."):
        yield partial(_of_module, module_info.name)


def _of_module(name: str) -> list[type[Task]]:
    """Every concrete task that a module defines; imported ones are their own module's."""
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise InvalidTaskError(f"module {name} cannot be imported: {error}; mend or remove it.") from error
    return [value for value in vars(module).values() if _is_task(value) and value.__module__ == name]


def _load(entry_point: EntryPoint) -> list[type[Task]]:
    where = f"entry point {entry_point.name!r} ({entry_point.value}) of group {ENTRY_POINT_GROUP!r}"
    try:
        value = entry_point.load()
    except Exception as error:
        raise InvalidTaskError(f"{where} cannot be loaded: {error}; mend or uninstall its package.") from error
    if not _is_task(value):
        raise InvalidTaskError(f"{where} is {value!r}; it must be a concrete subclass of tasks.task.Task.")
    return [value]


def _is_task(value: object) -> TypeGuard[type[Task]]:
    return inspect.isclass(value) and issubclass(value, Task) and not inspect.isabstract(value)


def _name_of(task: type[Task] | Task) -> str:
    name = getattr(task, "name", None)
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        where = _where(task if isinstance(task, type) else type(task))
        raise InvalidTaskError(
            f"{where} has the name {name!r}; set `name` to lower case letters, digits and underscores."
        )
    return name


def _where(task: type[Task]) -> str:
    return f"{task.__module__}.{task.__qualname__}"
