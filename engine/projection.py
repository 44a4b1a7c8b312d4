"""The parts of a SELECT: the columns that it gives, what it groups by, literal rows."""

from dataclasses import replace

from sqlglot import exp

from agent_etl.engine.frame import Frame, aggregates, own_nodes, text_of
from agent_etl.engine.lineage import Origin, Shape, made

__all__ = ["column_names", "group_keys", "held_to_one", "literal_rows", "outputs"]


def column_names(node: exp.Expr) -> list[str]:
    """The column names that an alias gives: `v(a, b)`."""
    alias = node.args.get("alias")
    return [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []


def held_to_one(part: exp.Expr) -> exp.Expr | None:
    """What a condition holds to 1: `x = 1`, `1 = x`, `x <= 1`, `x < 2`."""
    if isinstance(part, exp.EQ) and part.left.sql() == "1":
        return part.right
    if not isinstance(part, exp.EQ | exp.LTE | exp.LT):
        return None
    return part.left if part.right.sql() == ("2" if isinstance(part, exp.LT) else "1") else None


def outputs(node: exp.Select, frame: Frame) -> list[tuple[str, Origin]]:
    """The columns of a select with their origins, stars expanded."""
    columns: list[tuple[str, Origin]] = []
    for item in node.expressions:
        star = item.this if isinstance(item, exp.Column) and isinstance(item.this, exp.Star) else item
        if isinstance(star, exp.Star):
            columns += _star(star, item.table if isinstance(item, exp.Column) else "", frame)
        elif any(isinstance(part, exp.Columns) for part in own_nodes([item])):
            columns += [(name, origin) for _, name, origin, shown in frame.fields if shown]
        else:
            columns.append((item.alias_or_name or text_of(item), frame.origin(item)))
    return columns


def _star(star: exp.Star, table: str, frame: Frame) -> list[tuple[str, Origin]]:
    left_out = {item.name.lower() for item in star.args.get("except_") or ()}
    replaced = {item.alias.lower(): frame.origin(item) for item in star.args.get("replace") or ()}
    renamed = {item.this.name.lower(): item.alias for item in star.args.get("rename") or ()}
    found = []
    for alias, name, origin, shown in frame.fields:
        folded = name.lower()
        if folded in left_out or (alias.lower() != table.lower() if table else not shown):
            continue
        found.append((renamed.get(folded, name), replaced.get(folded, origin)))
    return found


def group_keys(node: exp.Select, group: exp.Group, frame: Frame) -> tuple[list[exp.Expr], bool]:
    """The grouping expressions, and whether one row per combination is sure (not with ROLLUP and the like)."""
    if group.args.get("all"):
        return [e.unalias() for e in node.expressions if not any(w is None for _, w in aggregates([e]))], True
    keys: list[exp.Expr] = []
    whole = True
    for item in group.expressions:
        if isinstance(item, exp.Rollup | exp.Cube | exp.GroupingSets):
            whole = False
        elif isinstance(item, exp.Literal) and item.is_int and int(item.this) <= len(node.expressions):
            keys.append(node.expressions[int(item.this) - 1].unalias())
        else:
            keys.append(_unaliased(item, node, frame))
    return keys, whole


def _unaliased(item: exp.Expr, node: exp.Select, frame: Frame) -> exp.Expr:
    """The expression behind an alias in GROUP BY, unless a source has a column of that name."""
    if isinstance(item, exp.Column) and not item.table:
        own = replace(frame, aliases={}).find(item)
        for other in node.expressions if own is None else ():
            if isinstance(other, exp.Alias) and other.alias.lower() == item.name.lower():
                return other.unalias()
    return item


def literal_rows(node: exp.Values, label: str) -> Shape:
    """Literal rows: a column whose literals all differ is a key."""
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    names = column_names(node) or [f"col{index}" for index in range(len(rows[0]))]
    keys = []
    for index, name in enumerate(names):
        cells = [row[index].sql() for row in rows if index < len(row)]
        if len(set(cells)) == len(rows):
            keys.append(frozenset({name}))
    return replace(made(label, [(name, Origin()) for name in names], tuple(keys)), one_row=len(rows) == 1)
