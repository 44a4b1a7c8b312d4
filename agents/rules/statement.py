"""A SELECT put together from clauses, laid out for a reader."""

from dataclasses import dataclass, field

from agent_etl.agents.rules.expressions import identifier

__all__ = ["Statement"]


@dataclass
class Statement:
    """The clauses of one SELECT; `text()` joins them."""

    origin: str
    items: list[tuple[str, str | None]] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    wheres: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    havings: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    limit: int | None = None
    qualify: str | None = None
    distinct: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The result's columns; empty for `*`."""
        return tuple(name or text.rsplit(".", 1)[-1].strip('"') for text, name in self.items if text != "*")

    def text(self) -> str:
        """The statement, one clause a line."""
        items = [text if name is None else f"{text} AS {identifier(name)}" for text, name in self.items]
        lines = ["SELECT DISTINCT" if self.distinct else "SELECT"]
        lines[0] += f" {items[0]}" if len(items) == 1 else "\n  " + ",\n  ".join(items)
        lines.append(f"FROM {identifier(self.origin)}")
        lines.extend(self.joins)
        lines.extend(_clause("WHERE", " AND ", self.wheres))
        lines.extend(_clause("GROUP BY", ", ", self.groups))
        lines.extend(_clause("HAVING", " AND ", self.havings))
        if self.qualify:
            lines.append(f"QUALIFY {self.qualify}")
        lines.extend(_clause("ORDER BY", ", ", self.orders))
        if self.limit is not None:
            lines.append(f"LIMIT {self.limit}")
        return "\n".join(lines)


def _clause(keyword: str, glue: str, parts: list[str]) -> list[str]:
    return [f"{keyword} {glue.join(parts)}"] if parts else []
