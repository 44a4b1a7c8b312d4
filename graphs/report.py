"""A run told in plain text: the goal's accounting, and what happened."""

from collections.abc import Iterator

from agent_etl.engine.plan import Check, Extract, Load, Plan, Step, Transform
from agent_etl.engine.tasks import TaskResult
from agent_etl.graphs.result import Run
from agent_etl.graphs.resuming import command, resume_command

__all__ = ["aside", "describe", "duration", "explain", "outcome", "report"]


def explain(run: Run) -> str:
    """The goal and what each of its spans became: steps, a question or a refusal."""
    lines = [f"Goal: {run.goal}" if run.goal else "A plan that was given, without a goal in words", *_spans(run)]
    if run.draft and run.draft.echo:
        lines += ["", "Understood:", *(f"  - {sentence}" for sentence in run.draft.echo)]
    if run.repairs:
        lines += ["", "Corrected since:", *(f"  - {label}" for label in run.repairs)]
    if run.plan:
        lines += ["", "Steps:", *(f"  {step.name}: {describe(step)}" for step in run.plan.steps())]
    return "\n".join(lines).rstrip() + "\n"


def _spans(run: Run) -> Iterator[str]:
    spans: list[tuple[int, int, str]] = []
    if run.draft:
        spans += [(c.start, c.end, "became " + ", ".join(c.steps)) for c in run.draft.clauses if c.steps]
    elif run.plan:
        for index, (start, end) in enumerate(run.plan.clauses):
            steps = [step.name for step in run.plan.steps() if index in step.why]
            spans.append((start, end, "became " + ", ".join(steps) if steps else "serves no step"))
    spans += [(*refusal.span, f"refused: {refusal.reason}") for refusal in run.refusals if run.goal]
    spans += [(*question.span, f"asked: {question.text}") for question in run.questions if run.goal]
    for start, end, became in sorted(spans):
        if end > start:
            yield f'  "{run.goal[start:end]}"'
            yield f"      {became}"


def report(run: Run) -> str:
    """What happened: the outcome, each step with its rows and time, findings, corrections, and what to do next."""
    lines = [f"Run {run.run_id}: {outcome(run)}"]
    if run.goal:
        lines.append(f"Goal: {run.goal}")
    if run.plan:
        lines += ["", f"Plan {run.plan.name} ({run.plan_hash[:12]})", *_table(run.plan, run.tasks)]
    for title, entries in (
        ("Read", [_read(result) for result in run.tasks if "cursor" in result.detail]),
        ("Loaded", [_loaded(run, index) for index in range(len(run.loads))]),
        ("Set aside", aside(run)),
        ("Found", [f"{finding.severity}: {finding}" for finding in run.findings]),
        ("Corrected", list(run.repairs)),
        (
            "Refused",
            [f'"{refusal.quote}": {refusal.reason}' if refusal.quote else refusal.reason for refusal in run.refusals],
        ),
    ):
        if entries:
            lines += ["", title, *(f"  {entry}" for entry in entries)]
    return "\n".join([*lines, *_questions(run), *_failure(run), *_next(run)]) + "\n"


def outcome(run: Run) -> str:
    """The status in a few words."""
    took = f" in {duration((run.ended - run.started).total_seconds())}" if run.started and run.ended else ""
    return {
        "succeeded": f"succeeded{took}",
        "waiting": "waiting for your approval" if run.waits_for == "approval" else "waiting for your answer",
        "refused": "refused, nothing was touched",
        "failed": f"failed{took}",
        "interrupted": "interrupted",
        "running": "running",
    }[run.status]


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def describe(step: Step) -> str:
    """What a step does, in a few words."""
    if isinstance(step, Extract):
        new = f", what is new by {step.incremental.cursor}" if step.incremental else ""
        return f"read {step.dataset} from {step.source}" + (f" where {step.where}" if step.where else "") + new
    if isinstance(step, Transform):
        return " ".join(step.sql.split())
    if isinstance(step, Load):
        by = f" by {', '.join(step.key)}" if step.key else ""
        return f"{step.mode} {step.table} in {step.target} with {step.from_}{by}{_steering(step)}"
    return f"check {step.on}: {_check(step)}"


def _steering(step: Load) -> str:
    """What a load deletes and from when on its versions are valid."""
    said = f", valid from {step.effective}" if step.effective else ""
    said += f", deleting by {step.delete_by}" if step.delete_by else ""
    if step.delete_missing:
        said += f", {'retiring' if step.mode == 'scd2' else 'deleting'} what is missing"
    return said


def _check(step: Check) -> str:
    if step.kind == "expression":
        return step.sql or ""
    limits = "" if step.low is None and step.high is None else f" from {step.low} to {step.high}"
    return " ".join(part for part in (", ".join(step.columns), step.kind.replace("_", " ")) if part) + limits


def _table(plan: Plan, tasks: tuple[TaskResult, ...]) -> Iterator[str]:
    results = {result.step: result for result in tasks}
    rows = []
    for step in plan.steps():
        told = describe(step)
        told = told if len(told) <= 70 else told[:69] + "…"
        result = results.get(step.name)
        rows.append((type(step).__name__.lower(), step.name, _done(result) if result else "not run", told))
    names, outcomes = (max((len(row[column]) for row in rows), default=0) for column in (1, 2))
    for kind, name, done, told in rows:
        yield f"  {kind:<9} {name:<{names}}  {done:<{outcomes}}  {told}"


def _done(result: TaskResult) -> str:
    if result.kind == "check":
        gone = f", {result.quarantined:,} quarantined" if result.quarantined else ""
        return f"passed{gone}, {duration(result.seconds)}"
    parts = [f"{result.rows_out:,} rows"]
    if result.filtered:
        parts.append(f"{result.filtered:,} filtered")
    if result.quarantined:
        parts.append(f"{result.quarantined:,} quarantined")
    parts.append("reused" if result.reused else duration(result.seconds))
    return ", ".join(parts)


def _read(result: TaskResult) -> str:
    """From where to where an incremental extract has read."""
    detail = result.detail
    begin = f"from {detail['from']}" if "from" in detail else "from the beginning"
    end = f"to {detail['to']}" if "to" in detail else "and found nothing"
    return f"{result.step}: {detail['cursor']} {begin} {end}"


def _loaded(run: Run, index: int) -> str:
    load = run.loads[index]
    told = "already loaded, nothing written" if load.already else f"{load.rows:,} rows, {load.mode}"
    task = next((task for task in run.tasks if task.step == load.step), None)
    if load.mode in ("merge", "scd2") and task is not None and not load.already:
        told += f" ({', '.join(f'{task.detail.get(what, 0):,} {what}' for what in ('inserted', 'updated', 'deleted'))})"
    told += f", {load.quarantined:,} set aside" if load.quarantined else ""
    return f"{load.target}.{load.table}: {told}" + (f" (marker {load.marker[:12]})" if load.marker else "")


def aside(run: Run) -> list[str]:
    """What the run set aside and why, one line for each step and reason, and where it is kept."""
    lines = []
    for task in run.tasks:
        for reason in task.detail.get("reasons", ()):
            column = f"{reason['column']}: " if reason["column"] else ""
            by = f"check {reason['check']}" if reason["check"] else "unreadable"
            lines.append(f"{task.step}: {reason['rows']:,} rows, {by}, {column}{reason['reason']}")
    places = [f"{load.target}:{load.table}" for load in run.loads if load.quarantined]
    return [*lines, *(f"see them: agent-etl quarantine show {place}" for place in places)]


def _questions(run: Run) -> Iterator[str]:
    for question in run.questions if run.status == "waiting" else ():
        yield ""
        yield f"Question {question.id}: {question.text}" + (f' ("{question.quote}")' if question.quote else "")
        for option in question.options:
            yield f"  {option.value}" + (f": {option.label}" if option.label != option.value else "")
        if question.free:
            yield "  or any other value"


def _failure(run: Run) -> Iterator[str]:
    if run.failure:
        yield ""
        yield f"Failed at {run.failure.step}: {run.failure.message} ({run.failure.code})"
        for name, value in run.failure.fields.items():
            yield f"  {name}: {value}"
        if run.failure.hint:
            yield f"  next: {run.failure.hint}"


def _next(run: Run) -> Iterator[str]:
    steps = tuple(_next_steps(run))
    if steps:
        yield ""
    for told, line in steps:
        yield f"{told}: {line}"


def _next_steps(run: Run) -> Iterator[tuple[str, str]]:
    """What a person may do now: what it does, and the command."""

    def resume(*options: str) -> str:
        return resume_command(run.run_id, *options, home=run.home, secret=run.secret)

    if run.status == "waiting" and run.waits_for == "approval":
        yield "Approve", resume("--approve")
        yield "Reject", resume("--reject")
        yield "Edit", f"{_plan_of(run)} > plan.yaml, then {resume('--plan', 'plan.yaml')}"
    elif run.status == "waiting":
        questions = [question.id for question in run.questions] or ["ID"]
        yield "Answer", resume(*(part for name in questions for part in ("--answer", f"{name}=VALUE")))
    elif run.status == "interrupted":
        yield "Continue", resume()
    elif run.status == "failed":
        yield "Try again", resume()
        if run.plan:
            yield "Edit", f"{_plan_of(run)} > plan.yaml, then {resume('--plan', 'plan.yaml')}"
    elif run.status == "refused" and any(refusal.quote for refusal in run.refusals):
        yield (
            "Next",
            "say it otherwise or leave it out, and run again; agent-etl inspect SOURCE shows what a source holds",
        )


def _plan_of(run: Run) -> str:
    return command("show", run.run_id, "--plan", home=run.home)
