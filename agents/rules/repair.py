"""Repairs that need no model: typed edits of a plan that answer a typed failure. They propose; the checks judge."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlglot
from sqlglot import exp

from agent_etl.agents.orchestrator import GUESSES, LOSES, TARGET, WIDENS
from agent_etl.agents.planner import Edit, Repair, RepairRequest
from agent_etl.engine.bind import bind
from agent_etl.engine.complaints import nearest
from agent_etl.engine.duck import quote
from agent_etl.engine.plan import Extract, Load, Plan, Transform
from agent_etl.engine.schema import Table

__all__ = ["repair"]

_READ = frozenset({"read_error"})
_SOURCE = frozenset({"schema_changed", "unknown_column", "renamed_column", "missing_column", "type_changed"})
_REFUSED = frozenset({"target_error"})
_TARGET = frozenset({"target_schema_mismatch", "target_lacks_column", "new_column", "missing_column", "unknown_column"})


def repair(request: RepairRequest) -> tuple[Repair, ...]:
    """Corrections for a failure, best first; none for a failure that only a person can judge.

    A column whose type breaks late in a file is read as a wider type, or its rows are set aside, the latter also when
    the target does not keep the wider type. A renamed source
    column is read under its new name. A column that the target lacks is added there. No side effects.
    """
    failure = request.failure
    if failure.code in _READ:
        extract = _reading(request)
        return tuple(_unread(request, extract)) if extract else ()
    step = next((step for step in request.plan.steps() if step.name == failure.step), None)
    if isinstance(step, Extract) and failure.code in _SOURCE:
        return tuple(_changed(request, step))
    if isinstance(step, Load) and failure.code in _REFUSED:
        return tuple(_too_wide(request))
    if isinstance(step, Load) and failure.code in _TARGET:
        return tuple(_lacking(request, step))
    return ()


def _reading(request: RepairRequest) -> Extract | None:
    """The extract whose rows could not be read; it may have been streaming into the load that failed."""
    named = [extract for extract in request.plan.extracts if extract.name == request.failure.step]
    dataset = request.failure.fields.get("dataset")
    return next(iter(named or [extract for extract in request.plan.extracts if extract.dataset == dataset]), None)


def _unread(request: RepairRequest, step: Extract) -> Iterable[Repair]:
    fields = request.failure.fields
    column, line = fields.get("column"), fields.get("line")
    where = f" (line {line})" if line else ""
    types = dict(step.options.get("types") or {})
    if isinstance(column, str):
        had = str(fields.get("type") or types.get(column) or step.expect.get(column) or "")
        wider = [str(kind) for kind in (fields.get("found"), "VARCHAR") if kind]
        for kind in dict.fromkeys(wider):
            if kind != had:
                options = {**step.options, "types": {**types, column: kind}}
                expect = {**step.expect, column: kind} if column in step.expect else dict(step.expect)
                label = f"read column {column} of {step.dataset} as {kind} instead of {had or 'its type'}{where}"
                yield _edited(request.plan, step, label, WIDENS, options=options, expect=expect)
    if step.options.get("on_error") != "quarantine":
        options = {**step.options, "on_error": "quarantine", **_told(fields)}
        label = f"set {fields.get('rows', 'the')} rows of {step.dataset} aside that do not fit{where}"
        yield _edited(request.plan, step, label, LOSES, options=options)


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As many rows may be set aside as the person who agrees is told of; all where nobody counted them."""
    rows = fields.get("rows")
    return {"max_rejects": rows if isinstance(rows, int) else 1.0}


def _too_wide(request: RepairRequest) -> Iterable[Repair]:
    """A column that is read as a wider type than its target keeps: read it as that, and set aside what is none."""
    fields = request.failure.fields
    column = fields.get("column")
    place = request.source.column(str(column)) if request.source is not None else None
    kept = place.type if place is not None else None
    reading = [
        e for e in request.plan.extracts if column and (e.options.get("types") or {}).get(column) == fields.get("data")
    ]
    if len(reading) == 1 and isinstance(column, str) and isinstance(kept, str):
        (step,) = reading
        types = {**step.options["types"], column: kept}
        options = {**step.options, "types": types, "on_error": "quarantine", "max_rejects": 1.0}
        expect = {**step.expect, column: kept} if column in step.expect else dict(step.expect)
        label = f"set rows of {step.dataset} aside whose {column} is no {kept}, which the target keeps"
        yield _edited(request.plan, step, label, LOSES, options=options, expect=expect)


def _changed(request: RepairRequest, step: Extract) -> Iterable[Repair]:
    table = request.catalogue.get(step.source, step.dataset)
    if table is None:
        return
    missing = [name for name in _needed(step) if table.column(name) is None]
    if missing:
        renamed = {name: _candidate(name, step, table) for name in missing}
        if all(renamed.values()) and len(set(renamed.values())) == len(renamed):
            yield _renamed(request.plan, step, table, {name: str(new) for name, new in renamed.items()})
        return
    now = {name: column.type for name in step.expect if (column := table.column(name)) is not None}
    differing = [name for name, kind in step.expect.items() if now.get(name) not in (None, kind)]
    if differing:
        told = ", ".join(f"{name} is {now[name]}, was {step.expect[name]}" for name in differing)
        yield _edited(request.plan, step, f"take {step.dataset} as it is now: {told}", WIDENS, expect=now)


def _needed(step: Extract) -> list[str]:
    """The columns that the plan was made for, and those that the step names itself."""
    where = [column.name for column in _expression(step.where).find_all(exp.Column)] if step.where else []
    return list(dict.fromkeys((*(step.columns or ()), *where, *step.expect)))


def _candidate(name: str, step: Extract, table: Table) -> str | None:
    """The one column that the plan does not know, of the same type, whose name is near, or that is the only one new."""
    known = {other.lower() for other in _needed(step)}
    kind = step.expect.get(name)
    new = [c.name for c in table.columns if c.name.lower() not in known and (kind is None or c.type == kind)]
    near = nearest(name, new)
    found = near if len(near) == 1 else tuple(new) if kind is not None and not near else ()
    return found[0] if len(found) == 1 else None


def _renamed(plan: Plan, step: Extract, table: Table, new: Mapping[str, str]) -> Repair:
    """Read the new names, and give the rows their old names in a step that takes the extract's place."""
    raw = _free(plan, f"{step.name}_source")
    output = step.columns or tuple(column.name for column in table.columns if column.name not in new.values())
    if step.columns is None:
        output = (*new, *output)
        order = [column.name for column in table.columns]
        output = tuple(sorted(output, key=lambda name: order.index(new.get(name, name))))
    types = dict(step.options.get("types") or {})
    options = {**step.options, "types": {new.get(name, name): kind for name, kind in types.items()}} if types else {}
    read = step.model_copy(
        update={
            "name": raw,
            "columns": tuple(new.get(name, name) for name in output) if step.columns else None,
            "where": _respelt(step.where, new),
            "options": options or dict(step.options),
            "expect": {new.get(name, name): kind for name, kind in step.expect.items()},
        }
    )
    items = ", ".join(f"{quote(new[name])} AS {quote(name)}" if name in new else quote(name) for name in output)
    alias = Transform(name=step.name, sql=f"SELECT {items} FROM {quote(raw)}", why=step.why)
    content = {
        "extracts": tuple(read if extract.name == step.name else extract for extract in plan.extracts),
        "transforms": (alias, *plan.transforms),
    }
    told = ", ".join(f"{after} as what was {before}" for before, after in new.items())
    edits = (Edit(step.name, _fields(read)), Edit(step.name, _fields(alias)))
    return Repair(_checked(plan, content), f"read {told} in {step.dataset}", edits, GUESSES)


def _lacking(request: RepairRequest, step: Load) -> Iterable[Repair]:
    """Add to the target what the data has and the target lacks."""
    if request.source is None:
        return
    given = bind(request.plan, request.catalogue).columns.get(step.from_, ())
    lacking = {column.name: column.type for column in given if request.source.column(column.name) is None}
    if lacking and not set(lacking) <= set(step.evolve):
        told = ", ".join(f"{name} {kind}" for name, kind in lacking.items())
        label = f"add {told} to {step.table} in {step.target}"
        yield _edited(request.plan, step, label, TARGET, evolve={**step.evolve, **lacking})


def _edited(plan: Plan, step: Extract | Load, label: str, consent: str, **update: Any) -> Repair:
    after = step.model_copy(update=update)
    part = "extracts" if isinstance(step, Extract) else "loads"
    steps = tuple(after if other.name == step.name else other for other in getattr(plan, part))
    return Repair(_checked(plan, {part: steps}), label, (Edit(step.name, _fields(after)),), consent)


def _checked(plan: Plan, update: Mapping[str, Any]) -> Plan:
    """The plan with those parts changed, validated like one that was read."""
    return Plan.model_validate_json(plan.model_copy(update=update).to_json())


def _fields(step: Extract | Transform | Load) -> dict[str, object]:
    return step.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _free(plan: Plan, name: str) -> str:
    taken = {step.name for step in plan.steps()}
    base, number = name[:60], 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name[:63]


def _expression(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, dialect="duckdb")


def _respelt(where: str | None, new: Mapping[str, str]) -> str | None:
    if where is None:
        return None
    tree = _expression(where)
    for column in tree.find_all(exp.Column):
        if column.name in new:
            column.set("this", exp.to_identifier(new[column.name], quoted=True))
    return tree.sql(dialect="duckdb")
