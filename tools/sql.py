"""Verbs that judge SQL without running it."""

from agent_etl.engine.bind import Binding, bind
from agent_etl.engine.grain import Grain, grain
from agent_etl.engine.plan import Plan
from agent_etl.engine.ports import Prober
from agent_etl.engine.schema import Catalogue
from agent_etl.tools.base import Effect, verb

__all__ = ["dry_run_sql", "measure_grain"]


@verb(Effect.DRY)
def dry_run_sql(plan: Plan, catalogue: Catalogue) -> Binding:
    """Every step's columns and types, bound in a locked DuckDB over empty tables."""
    return bind(plan, catalogue)


@verb(Effect.READ)
def measure_grain(plan: Plan, binding: Binding, prober: Prober) -> Grain:
    """What one row of each step stands for. Side effects: measures keys and overlaps in the sources."""
    return grain(plan, binding, prober)
