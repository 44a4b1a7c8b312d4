"""The plan: the one typed artifact that planners write, checks judge and the executor runs."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from agent_etl.engine import yaml12
from agent_etl.engine.complaints import nearest
from agent_etl.engine.errors import PlanError
from agent_etl.engine.incremental import Incremental
from agent_etl.engine.modes import contradiction
from agent_etl.engine.part import Part, StepName
from agent_etl.engine.security.secrets import redact

__all__ = ["Check", "Extract", "Load", "Plan", "Step", "Transform"]

Why = tuple[int, ...]


class Extract(Part):
    """Read one dataset of a source. Its output is a step that later steps name in SQL.

    `source` is a connection's name or a URL; `dataset` a table, file or glob there. `columns` None means all.
    `where` is one boolean DuckDB expression over the dataset's columns. `options` are read options (for files: see
    connectors/files.py). `expect` records the columns and types that the plan was made for: `{name: type}`.
    `incremental` reads only what is new since the last load (engine/incremental.py).
    """

    name: StepName
    source: str
    dataset: str
    columns: tuple[str, ...] | None = None
    where: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    expect: dict[str, str] = Field(default_factory=dict)
    incremental: Incremental | None = None
    why: Why = ()


class Transform(Part):
    """One SELECT in DuckDB's dialect over the names of earlier steps.

    `acknowledge` names findings that this step was made with open eyes for (for example `fan_out`); a check that
    only warns is then silent. It never silences an error.
    """

    name: StepName
    sql: str
    acknowledge: tuple[str, ...] = ()
    why: Why = ()


class Load(Part):
    """Write the rows of step `from` into a table, or into a file when the target is a folder.

    `target` is a connection's name or a URL. `mode`: append adds, replace makes the target exactly these rows, merge
    updates by `key` and inserts the rest, scd2 keeps the history of each `key` in columns `valid_from` and `valid_to`.
    `evolve` lists columns (`{name: type}`) that may be added to the target.

    `delete_by`, for merge: a column that says which rows delete what has their key instead; the target gets it only
    where it has such a column. `delete_missing`: keys that the rows lack are deleted, for scd2 retired. `effective`,
    for scd2: the column with the time of change, which becomes `valid_from`; without it: the load's time, in UTC.
    """

    name: StepName
    from_: StepName = Field(alias="from")
    target: str
    table: str
    mode: Literal["append", "replace", "merge", "scd2"] = "append"
    key: tuple[str, ...] = ()
    delete_by: str | None = None
    delete_missing: bool = False
    effective: str | None = None
    format: Literal["csv", "tsv", "jsonl", "parquet"] | None = None
    evolve: dict[str, str] = Field(default_factory=dict)
    why: Why = ()

    @model_validator(mode="after")
    def _mode_holds(self) -> "Load":
        wrong = contradiction(self.mode, self.key, self.delete_by, self.delete_missing, self.effective)
        if wrong is not None:
            raise ValueError(wrong)
        return self


class Check(Part):
    """A statement about the rows of step `on` that must hold before they are loaded.

    not_null, unique: `columns`. accepted: one column and `values`. range: one column, `low` and `high` inclusive.
    row_count: `low`, `high`. expression: `sql`, one boolean DuckDB expression. Rows where it is not true fail it.

    Severity `quarantine` takes the rows that fail out of the step's rows, for every reader of it, and keeps them beside
    the target; of a repeated key all rows. `threshold` is the most that it takes: a share (0.05) or a number (20) of
    rows.
    """

    name: StepName
    on: StepName
    kind: Literal["not_null", "unique", "accepted", "range", "row_count", "expression"]
    columns: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    sql: str | None = None
    severity: Literal["fail", "quarantine", "warn"] = "fail"
    threshold: int | float | None = None
    why: Why = ()


Step = Extract | Transform | Load | Check


class Plan(Part):
    """A whole pipeline. Frozen; round-trips through YAML and JSON; `hash` addresses its content.

    `clauses` are the goal's clauses in order, as `[start, end]` spans into `goal`; every step's `why` indexes them.
    `answers` are the answers that made this plan: question id to chosen value.
    """

    name: StepName
    goal: str = ""
    clauses: tuple[tuple[int, int], ...] = ()
    answers: dict[str, str] = Field(default_factory=dict)
    extracts: tuple[Extract, ...]
    transforms: tuple[Transform, ...] = ()
    loads: tuple[Load, ...]
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _holds_no_password(self) -> "Plan":
        places = [(step.name, step.source) for step in self.extracts]
        for name, place in (*places, *((step.name, step.target) for step in self.loads)):
            if redact(place) != place:
                raise ValueError(f"step {name!r} holds a password in a URL: name a connection, or write ${{NAME}}")
        return self

    @model_validator(mode="after")
    def _does_something(self) -> "Plan":
        if not self.extracts:
            raise ValueError("it reads nothing: list at least one step under extracts")
        if not self.loads and not self.checks:
            raise ValueError("it writes nothing and checks nothing: list at least one step under loads")
        return self

    @model_validator(mode="after")
    def _names_hold(self) -> "Plan":
        known: set[str] = set()
        made: tuple[Extract | Transform, ...] = (*self.extracts, *self.transforms)
        for step in made:
            if step.name in known:
                raise ValueError(f"two steps are named {step.name!r}")
            known.add(step.name)
        rest: set[str] = set()
        readers: tuple[Load | Check, ...] = (*self.loads, *self.checks)
        for other in readers:
            if other.name in known | rest:
                raise ValueError(f"two steps are named {other.name!r}")
            rest.add(other.name)
            origin = other.from_ if isinstance(other, Load) else other.on
            if origin not in known:
                raise ValueError(f"step {other.name!r} reads {origin!r}, valid are {sorted(known)}")
        return self

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the canonical JSON: equal for equal plans, whatever wrote them."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def steps(self) -> Iterator[Step]:
        """Every step: extracts, transforms, checks, loads, each in the plan's order."""
        yield from self.extracts
        yield from self.transforms
        yield from self.checks
        yield from self.loads

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no defaults, no spaces."""
        return json.dumps(self._content(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def to_yaml(self) -> str:
        """YAML in the plan's own order, without defaults: what a person reviews and edits."""
        return yaml12.dump(self._content())

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return content

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """A plan from YAML or JSON text.

        Raises: PlanError naming the step, the field and what is valid.
        """
        try:
            content = yaml12.parse(text)
        except yaml.YAMLError as error:
            raise PlanError("The plan is not valid YAML or JSON", problem=_unreadable(error)) from error
        if not isinstance(content, dict):
            raise PlanError(
                "A plan is a mapping with extracts and loads",
                found=_KINDS.get(type(content), "a single value"),
                hint="agent-etl plan GOAL > plan.yaml writes one to begin with",
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise _explain(content, error) from None


_KINDS: dict[type, str] = {type(None): "nothing", list: "a list", str: "a text"}
_WORDS = {
    "extra_forbidden": "there is no such field",
    "missing": "the field is missing",
    "tuple_type": "a list is wanted",
    "string_type": "a text is wanted",
    "dict_type": "a mapping is wanted",
    "model_type": "a mapping with the fields of a step is wanted",
    "string_pattern_mismatch": "a name is made of a-z, 0-9 and _, begins with no digit and has at most 63 letters",
}
"""Problems in the words of a plan, by pydantic's names of them; its own words where there are none here."""


def _unreadable(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).splitlines()[0]
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context}"


def _explain(content: dict[str, Any], error: ValidationError) -> PlanError:
    """The first validation problem in the words of a plan: which step, which field, what is valid."""
    problems = error.errors(include_url=False, include_input=False)
    # A misspelt field is also a missing one: the word that is there is what a person looks for.
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    where = [str(part) for part in problem["loc"]]
    step: object = None
    if len(problem["loc"]) >= 2 and isinstance(problem["loc"][1], int):
        listed = content.get(where[0])
        if isinstance(listed, list) and problem["loc"][1] < len(listed) and isinstance(listed[problem["loc"][1]], dict):
            step = listed[problem["loc"][1]].get("name", f"{where[0]}[{where[1]}]")
    models: dict[str, type[Part]] = {
        "extracts": Extract,
        "transforms": Transform,
        "loads": Load,
        "checks": Check,
    }
    inside = len(where) > 1 and where[0] in models
    valid = sorted(field.alias or name for name, field in (models[where[0]] if inside else Plan).model_fields.items())
    message = _WORDS.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    if problem["type"] == "literal_error":
        message = message.replace("Input should be", "valid are").replace(" or '", ", '")
    fields: dict[str, object] = {"field": ".".join(where) or "plan", "problem": message}
    if step is not None:
        fields = {"step": step, "field": ".".join(where[2:]) or where[0], "problem": message}
    if problem["type"] in {"extra_forbidden", "missing"}:
        near = nearest(where[-1], valid) if problem["type"] == "extra_forbidden" else ()
        fields |= {"nearest": near[0], "valid": valid} if near else {"valid": valid}
    return PlanError("The plan does not hold", hint="edit the plan and run it again", **fields)
