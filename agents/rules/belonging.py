"""Totals that belong to each row of the table named before: `all members with their total minutes from visits.csv`."""

from dataclasses import replace

from agent_etl.agents.rules.groups import group_by_entity
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.outputs import read_outputs
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_belonging"]


def read_belonging(r: Reading) -> bool:
    """`with their total minutes`, `with the number of orders`: one row for each thing that the words before name.

    Only where the goal lists the result's columns, or it could mean the whole rows. Raises: Unclear.
    """
    start = r.cur.at
    subject = r.subjects[-1] if r.subjects else None
    if subject is None or not _listed(r) or not r.cur.take("with", "along with", "together with"):
        return False
    r.cur.skip(ARTICLES)
    before, grouped = len(r.intent.outputs), len(r.intent.groups)
    if not read_outputs(r):
        r.cur.at = start
        return False
    homes = {r.intent.measures[index].home for one in r.intent.outputs[before:] for index in one.expression.measures()}
    others = [one for one in r.prior.groups if one.phrase != r.phrase]
    if not homes or subject.alias in homes:
        r.cur.at = start
        return False
    if not grouped and not r.intent.groups and not others:
        group_by_entity(r, subject, start)
    for at, group in enumerate(r.intent.groups):
        if group.entity == subject.alias:
            r.intent.groups[at] = replace(group, each=True)
    r.intent.trail.append("G")
    return True


def _listed(r: Reading) -> bool:
    """The goal says which columns the result has."""
    if any(token.low in ("columns", "column", "fields") for token in r.cur.tokens):
        return True
    return any(not one.expression.measures() for one in r.prior.outputs)
