"""Requests that a pipeline cannot serve yet, with the reason that is told; plain data."""

from agent_etl.agents.rules.reading import Reading

__all__ = ["reason_for"]

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
