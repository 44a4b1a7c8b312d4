"""Rows that the goal keeps though they find no partner: the joins that would lose them become left joins."""

from dataclasses import replace

from agent_etl.agents.rules.intent import Kept
from agent_etl.agents.rules.links import Links
from agent_etl.agents.rules.reading import Reading

__all__ = ["keep_rows", "kept_outside"]


def keep_rows(r: Reading, links: Links) -> None:
    """Turn the joins around every kept table outward. Raises: Unclear for a remark that no join is concerned by."""
    for kept in r.intent.kept:
        owner = kept.owner or _owner(r, links, kept)
        if not any(_touches(one.left, one.right, owner, kept.other) for one in links.edges):
            raise r.asking.refuse((0, len(r.cur.goal)), f"no join could lose rows of {r.table(owner).name}")
        _outward(r, links, owner, kept.other)


def _touches(left: str, right: str, owner: str, other: str | None) -> bool:
    return owner in (left, right) and other in (None, left, right)


def _owner(r: Reading, links: Links, kept: Kept) -> str:
    """The table whose rows are meant when the goal names only the missing partner, or neither. Raises: Unclear."""
    ends = [one for edge in links.edges for one in (edge.left, edge.right)]
    if kept.other is not None:
        near = {
            edge.left if edge.right == kept.other else edge.right
            for edge in links.edges
            if kept.other in (edge.left, edge.right)
        }
    else:
        homes = {measure.home for measure in r.intent.measures}
        near = {one for one in ends if one not in homes}
    if len(near) == 1:
        return near.pop()
    raise r.asking.refuse((0, len(r.cur.goal)), "it is not said which table's rows stay without a partner")


def _outward(r: Reading, links: Links, owner: str, other: str | None) -> None:
    """Left joins from the owner on; further joins beyond it stay as they are, and must then lose none."""
    seen, queue = {owner}, [owner]
    while queue:
        here = queue.pop(0)
        for at, edge in enumerate(links.edges):
            away = edge if edge.left == here else edge.turned()
            if here not in (edge.left, edge.right) or away.right in seen:
                continue
            if here == owner and other not in (None, away.right):
                continue
            if edge.how == "left" and edge.left != here:
                raise r.asking.refuse((0, len(r.cur.goal)), "both tables' rows would have to stay; that is a full join")
            if here != owner and edge.how == "inner" and links.overlap(away).left_unmatched:
                span = links.span_of(r.intent.source(away.right))
                raise r.asking.refuse(span, "this inner join would leave out rows that the goal keeps")
            links.edges[at] = replace(away, how="left")
            seen.add(away.right)
            queue.append(away.right)


def kept_outside(links: Links, grain: str) -> bool:
    """Some left join keeps rows of a table that the grain's rows only look up into: they come from outside it."""
    for edge in links.edges:
        route = links.path(grain, edge.left) if edge.how == "left" else []
        if route and route[-1].left == edge.right:
            return True
    return False
