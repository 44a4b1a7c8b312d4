"""Requests that a pipeline cannot serve yet, with the reason that is told; plain data."""

from agent_etl.agents.rules.reading import Reading

__all__ = ["named_as_column", "reason_for"]

_AFTER_NAME = frozenset(
    {",", "is", "=", "!=", "<", ">", "<=", ">=", "starts", "ends", "contains", "only", "column", "as"}
)

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("messages and notifications are not something a pipeline here can send", (
        "email", "e-mail", "mail", "slack", "notify", "alert", "message", "send an", "send a", "post to", "tweet",
        "page the", "sms", "text me", "tell the",
    )),
    ("models are out of scope", (
        "train", "predict", "forecast", "classify", "cluster", "score the", "fit a", "machine learning",
        "detect anomalies",
    )),
    ("schedules are not supported yet; run the goal from a scheduler", (
        "every day", "every hour", "every week", "every month", "every morning", "every night", "every minute",
        "daily at",
        "schedule", "cron", "hourly at", "each day at", "each night", "every monday", "nightly",
    )),
    ("incremental loads are not supported yet", (
        "new and changed", "since the last run", "since last run", "incrementally", "incremental", "backfill", "stream",
        "watermark", "only new", "changed rows",
    )),
    ("history tables (SCD2) are not supported yet", ("scd2", "scd", "slowly changing", "snapshot")),
    ("reshaping (pivot, unpivot, explode, flatten, cross-tab) is not supported yet", (
        "pivot", "unpivot", "melt", "explode", "flatten", "cross-tab", "crosstab", "transpose", "one column per",
    )),
    ("ranks, running totals and moving windows are not supported yet", (
        "rank", "running", "cumulative", "moving", "rolling", "month-over-month", "year-over-year", "row number",
        "previous row", "lag", "lead", "top per", "sessionize", "percentile", "growth",
    )),
    ("masking is not supported yet", (
        "mask", "hash", "anonymize", "anonymise", "pseudonymize", "redact", "de-identify",
    )),
    ("stacking tables (union) is not supported yet", ("union", "stack", "concatenate the tables")),
    ("random samples are not supported yet", ("sample", "random")),
    ("this does not say what to do; name the operations", (
        "clean up", "clean", "cleanse", "fix", "tidy", "prepare", "make it nice", "optimize", "improve", "enhance",
        "standardize", "standardise", "normalize", "normalise", "sanitize",
    )),
    ("rows of a target are not deleted on their own", ("truncate", "purge", "wipe", "delete from")),
)  # fmt: skip


def named_as_column(r: Reading) -> bool:
    """The word at the cursor is the whole name of a column, and what follows goes on as after a name.

    `email, name` and `rank is 1` are about columns; `email it` is not, and `and email` at the end may not be.
    """
    names = {one.name.lower() for source in r.sources for one in source.table.columns}
    follower = r.cur.low(1) if r.cur.low(1) != "and" else r.cur.low(2)
    listed = r.cur.low(1) == "and" and follower in names
    placed = r.cur.low(1) in ("from", "of", "in") and r.cur.kind(2) == "place"
    ends = r.cur.low(1) in ("", ",", ";", ".", "and", "into", "to") and r.cur.low(-1) in ("and", ",", "by", "per")
    return r.cur.low() in names and (follower in _AFTER_NAME or listed or placed or (ends and _listed_before(r, names)))


def _listed_before(r: Reading, names: set[str]) -> bool:
    """`a and email`, where `a` is a column's name as well."""
    return r.cur.low(-2) in names


def reason_for(r: Reading) -> str | None:
    """Why the request at the cursor cannot be served, or None."""
    start = r.cur.at
    r.cur.skip({"a", "an", "the", "to"})
    for reason, phrases in _REASONS:
        for phrase in phrases:
            if r.cur.take(phrase):
                r.cur.at = start
                return reason
    r.cur.at = start
    return None
