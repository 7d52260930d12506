"""The modules of all tasks, which the server of processes imports once, since each case would anew.

A task that cannot be imported is the plan's to refuse, and must not end that server.
"""

from contextlib import suppress

import tasks
from tasks.task import TaskError

with suppress(TaskError):
    tasks.names()
