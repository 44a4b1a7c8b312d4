"""A plan as a graph of tasks: which step needs which, in an order that can be run."""

from graphlib import CycleError, TopologicalSorter
from typing import Literal

from agent_etl.engine.bind import reads
from agent_etl.engine.errors import PlanError
from agent_etl.engine.plan import Check, Extract, Load, Plan, Step, Transform
from agent_etl.engine.sandbox import check_select
from agent_etl.engine.tasks import Task

__all__ = ["Dag", "TaskKind", "kind"]

TaskKind = Literal["extract", "transform", "load", "check"]


class Dag:
    """The plan's steps by name and their needs. Raises: PlanError for a cycle, GuardError for SQL not allowed."""

    def __init__(self, plan: Plan) -> None:
        self.steps: dict[str, Step] = {step.name: step for step in plan.steps()}
        names = [*(step.name for step in plan.extracts), *(step.name for step in plan.transforms)]
        made = {name: place for place, name in enumerate(names)}
        self.inputs: dict[str, tuple[str, ...]] = {step.name: _inputs(step, made) for step in plan.steps()}
        self._checks = plan.checks
        needs = {name: self._needs(name) for name in self.steps}
        try:
            self._order = tuple(TopologicalSorter(needs).static_order())
        except CycleError as error:
            raise PlanError("Steps read each other in a circle", steps=list(error.args[1])) from None
        self._needed = needs

    def tasks(self) -> tuple[Task, ...]:
        """Every step as a task, in an order in which each comes after what it needs."""
        return tuple(Task(kind(self.steps[name]), name, self._needed[name]) for name in self._order)

    def readers(self, name: str) -> tuple[Step, ...]:
        """The steps that read the output of `name`: transforms, checks and loads."""
        return tuple(self.steps[reader] for reader, inputs in self.inputs.items() if name in inputs)

    def quarantines(self, name: str) -> tuple[Check, ...]:
        """The checks that take rows out of this step's, in the plan's order."""
        return tuple(check for check in self._checks if check.on == name and check.severity == "quarantine")

    def loads_of(self, name: str) -> tuple[Load, ...]:
        """The loads whose rows are made of this step's."""
        loads = (step for step in self.steps.values() if isinstance(step, Load))
        return tuple(load for load in loads if name in self.upstream(load.name))

    def upstream(self, name: str) -> frozenset[str]:
        """The step and everything that its output is made of."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            step = waiting.pop()
            if step not in found:
                found.add(step)
                waiting.extend(self.inputs[step])
        return frozenset(found)

    def _needs(self, name: str) -> tuple[str, ...]:
        """A load also waits for the checks on all that its rows are made of."""
        inputs = self.inputs[name]
        if not isinstance(self.steps[name], Load):
            return inputs
        origin = self.upstream(name)
        return (*inputs, *(check.name for check in self._checks if check.on in origin))


def _inputs(step: Step, made: dict[str, int]) -> tuple[str, ...]:
    if isinstance(step, Transform):
        others = made.copy()
        del others[step.name]
        return reads(check_select(step.sql, others), others)
    if isinstance(step, Load):
        return (step.from_,)
    return (step.on,) if isinstance(step, Check) else ()


def kind(step: Step) -> TaskKind:
    """Which kind of task a step is."""
    if isinstance(step, Extract):
        return "extract"
    if isinstance(step, Transform):
        return "transform"
    return "load" if isinstance(step, Load) else "check"
