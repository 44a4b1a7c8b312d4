"""The verb that runs a task."""

from typing import Protocol

from agent_etl.engine.tasks import Task, TaskResult
from agent_etl.tools.base import Effect, verb

__all__ = ["TaskRunner", "run_task"]


class TaskRunner(Protocol):
    """Runs one task of a plan; engine/executor.py is one."""

    def run(self, task: Task) -> TaskResult:
        """Make the task's output, or find that it is there."""
        ...


@verb(Effect.WRITE)
def run_task(executor: TaskRunner, task: Task) -> TaskResult:
    """Run one task. Raises: AgentEtlError. Side effects: stages its output or writes to its target."""
    return executor.run(task)
