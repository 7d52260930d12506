"""What is learnt: tasks that make series and state their own floors."""

from tasks.base import Series, Task
from tasks.registry import add, create, names

__all__ = ["Series", "Task", "add", "create", "names"]
