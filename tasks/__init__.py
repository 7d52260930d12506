"""What is learnt: tasks that make series and state their own floors."""

from tasks.registry import add, create, create_at, names
from tasks.task import Series, Task

__all__ = ["Series", "Task", "add", "create", "create_at", "names"]
