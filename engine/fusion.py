"""Fusion: an extract whose rows go to one load and nowhere else streams into the target's own transaction.

A crash rolls the target back and the source is read again. Address, marker and counts are those of the staged way.
"""

from dataclasses import replace

from agent_etl.engine.dag import Dag
from agent_etl.engine.duck import Cursor
from agent_etl.engine.extraction import chosen, scan
from agent_etl.engine.plan import Extract, Load
from agent_etl.engine.ports import Relation, Source
from agent_etl.engine.stream import Stream

__all__ = ["fused_load", "streamed"]


def fused_load(dag: Dag, step: Extract) -> Load | None:
    """The one load that reads this extract, when nothing else does and every row goes through; else None.

    Rows that a filter or a range drops or that are set aside have to be counted, and kept, in a package.
    """
    readers = dag.readers(step.name)
    whole = step.where is None and step.incremental is None and step.options.get("on_error", "fail") == "fail"
    if whole and len(readers) == 1 and isinstance(readers[0], Load):
        return readers[0]
    return None


def streamed(step: Extract, source: Source, stream: Stream, cursor: Cursor) -> Relation:
    """The step's rows for a load to read. Rows that come through a reader are counted by `stream`.

    SQL is handed over as it is: DuckDB evaluates it inside the target's transaction, which is the fastest way.
    """
    relation = scan(step, source)
    if relation.open is not None:
        relation = stream.over(relation, cursor)
    casts = {name.lower(): cast for name, cast in relation.casts.items()}
    columns = chosen(step, relation)
    respelt = {column.name: casts[column.name.lower()] for column in columns if column.name.lower() in casts}
    return replace(relation, columns=columns, casts=respelt)
