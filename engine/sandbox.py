"""The guard for SQL that this program did not write: one SELECT over staged names, allow-listed throughout.

A deny-list of functions was tried and leaks; `StatementType.SELECT` is not read-only in DuckDB 2 (a CTE may INSERT).
So three walls stand one behind another: this allow-list over sqlglot's tree, the same question put to DuckDB's own
parser (the two may read one text differently), and a locked connection in a READ ONLY transaction.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Self

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from agent_etl.engine.duck import connect, literal, quote
from agent_etl.engine.errors import GuardError
from agent_etl.engine.functions import CLASSES, NAMES, TABLE_FUNCTIONS, VOLATILE, VOLATILE_CLASSES, words
from agent_etl.engine.schema import Column

__all__ = ["Sandbox", "check_expression", "check_select"]

MAX_TEXT = 100_000
MAX_FILL = 10_000

_NODES = words(
    """
    Add Alias Aliases All Any AtTimeZone Between BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift
    BitwiseXor Boolean Bracket CTE Column ColumnDef Comprehension Cube DPipe DataType DataTypeParam Distinct
    Div Dot EQ Escape Except Fetch Filter ForIn From GT GTE Glob Group GroupingSets HavingMax Having ILike Identifier
    IgnoreNulls In IntDiv Intersect Interval IntervalSpan Is JSONPath JSONPathFilter JSONPathKey JSONPathRecursive
    JSONPathRoot JSONPathSelector JSONPathSlice JSONPathSubscript JSONPathUnion JSONPathWildcard Join Kwarg LT LTE
    Lambda Lateral Like Limit LimitOptions Literal Mod Mul NEQ Neg Not Null NullSafeEQ NullSafeNEQ Offset Order Ordered
    Paren PropertyEQ Qualify RawString RespectNulls Rollup Select SimilarTo Slice Star Sub Subquery Table TableAlias
    Tuple Union Values Var Where Window WindowSpec With WithinGroup
    """
)
_TABLE_ARGS = frozenset({"this", "alias", "joins", "laterals"})
_FUNCTION_HINT = "only functions of a row's, a group's or a window's values are allowed"
_ROWS = (exp.Query, exp.AggFunc, exp.Window, exp.Explode, exp.Star)


def check_select(sql: str, tables: Collection[str]) -> exp.Query:
    """The parsed query, when it is exactly one SELECT over `tables` (step names, lower case) in the allowed language.

    Raises: GuardError naming the construct. Nothing is executed.
    """
    parsed = _parsed(sql)
    if not isinstance(parsed, exp.Select | exp.SetOperation | exp.Subquery):
        raise _refusal(type(parsed).__name__.upper(), "write exactly one SELECT")
    _walk(parsed, tables)
    return parsed


def check_expression(text: str, columns: Collection[str] | None = None) -> exp.Expr:
    """The parsed scalar expression: no subquery, aggregate, window or comment, and only `columns` when they are given.

    Raises: GuardError naming the construct.
    """
    tokens = sqlglot.tokenize(text, dialect="duckdb") if _readable(text) else []
    if any(token.comments for token in tokens):
        raise _refusal("comment", "leave comments out of expressions")
    parsed = _parsed(text)
    if not isinstance(parsed, exp.Condition | exp.Func) or isinstance(parsed, exp.Query):
        raise _refusal(type(parsed).__name__.upper(), "write one expression over the columns")
    for node in parsed.walk():
        if isinstance(node, _ROWS) or (isinstance(node, exp.Column) and node.table):
            raise _refusal(f"expression {node.sql(dialect='duckdb')}", "an expression sees the columns of one row only")
    _walk(parsed, frozenset())
    known = None if columns is None else {name.lower() for name in columns}
    for column in parsed.find_all(exp.Column):
        if known is not None and column.name.lower() not in known:
            raise _refusal(f"column {column.name}", f"valid are {', '.join(sorted(columns or ()))}")
    return parsed


@lru_cache(maxsize=4096)
def _text(sql: str) -> exp.Expr:
    """One statement, parsed. Cached: a plan's SQL is judged by several checks."""
    if not _readable(sql):
        raise _refusal("text", f"SQL is at most {MAX_TEXT} characters without NUL")
    try:
        trees = sqlglot.parse(sql, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        place = re.search(r"Line (\d+), Col: (\d+)", str(error))
        where = f"line {place.group(1)}, column {place.group(2)}" if place else "its structure"
        raise _refusal("unreadable SQL", f"the text cannot be read at {where}") from None
    if not any(trees):
        raise _refusal("empty SQL", "write exactly one SELECT")
    if len(trees) != 1 or trees[0] is None or _has_semicolon(sql):
        raise _refusal("several statements", "write exactly one SELECT, without a semicolon")
    return trees[0]


def _parsed(sql: str) -> exp.Expr:
    return _text(sql).copy()


def _readable(sql: str) -> bool:
    return len(sql) <= MAX_TEXT and "\0" not in sql


def _has_semicolon(sql: str) -> bool:
    """Whether one stands outside strings, quoted names and comments."""
    return ";" in sql and any(token.token_type.name == "SEMICOLON" for token in sqlglot.tokenize(sql, dialect="duckdb"))


def _walk(tree: exp.Expr, tables: Collection[str]) -> None:
    for node in tree.walk():
        if isinstance(node, exp.Table):
            _check_table(node, tables)
        elif isinstance(node, exp.Func):
            _check_function(node)
        elif type(node).__name__ in VOLATILE_CLASSES:
            raise _volatile(_label(node))
        elif type(node).__name__ not in _NODES:
            raise _refusal(_label(node), "only SELECT over the plan's steps is allowed")


def _check_table(node: exp.Table, tables: Collection[str]) -> None:
    extra = [name for name, value in node.args.items() if value and name not in _TABLE_ARGS]
    if "sample" in extra:
        raise _volatile("TABLESAMPLE")
    if isinstance(node.this, exp.Func):
        name = _function_name(node.this)
        if name not in TABLE_FUNCTIONS and not isinstance(node.this, exp.GenerateSeries | exp.Unnest):
            raise _refusal(f"table function {name}", "read sources by extracts, then name the extract")
    elif node.db or node.catalog or extra:
        raise _refusal(f"table {exp.table_name(node)}", "name a step without schema, sample or time travel")
    elif node.name.lower() not in tables and not _is_cte(node):
        hint = f"valid are {', '.join(sorted(tables)) or 'no steps'}; read sources by extracts"
        raise _refusal(f"table {node.name}", hint)


def _is_cte(node: exp.Table) -> bool:
    """Whether a CTE of that name is in sight of the node, as DuckDB scopes it.

    A name is looked up outwards: `WITH "x.csv" AS …` inside a subquery must not make `FROM "x.csv"` outside it pass.
    """
    name = node.name.lower()
    child: exp.Expr = node
    parent = node.parent
    while parent is not None:
        clause = parent.args.get("with_")
        if isinstance(clause, exp.With) and clause is not child:
            if any(cte.alias_or_name.lower() == name for cte in clause.expressions):
                return True
        elif isinstance(parent, exp.With):
            for cte in parent.expressions:
                if cte is child and not parent.recursive:
                    break
                if cte.alias_or_name.lower() == name:
                    return True
                if cte is child:
                    break
        child, parent = parent, parent.parent
    return False


def _check_function(node: exp.Func) -> None:
    name, kind = _function_name(node), type(node).__name__
    if kind in VOLATILE_CLASSES or name in VOLATILE:
        raise _volatile(f"{name}()")
    if name == "age" and len(node.expressions) < 2:
        raise _volatile("age() of one argument")
    if kind not in CLASSES and not (isinstance(node, exp.Anonymous) and name in NAMES):
        raise _refusal(f"function {name}", _FUNCTION_HINT)
    if isinstance(node, exp.Pad | exp.Repeat):
        _check_fill(node, name)


def _check_fill(node: exp.Pad | exp.Repeat, name: str) -> None:
    """`lpad(x, 1e9)` and `repeat` of `repeat` allocate outside DuckDB's memory limit."""
    size = node.args.get("expression" if isinstance(node, exp.Pad) else "times")
    plain = isinstance(node, exp.Pad) or isinstance(node.this, exp.Literal | exp.Column)
    if not (plain and isinstance(size, exp.Literal) and size.is_int and int(size.this) <= MAX_FILL):
        raise _refusal(f"function {name}", f"write the length as a number up to {MAX_FILL}")


def _function_name(node: exp.Func) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.lower()
    return (node.meta.get("name") or node.sql_name()).lower()


def _label(node: exp.Expr) -> str:
    if isinstance(node, exp.Func):
        return f"function {_function_name(node)}"
    if isinstance(node, exp.Column):
        return f"column {node.sql(dialect='duckdb')}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def _refusal(construct: str, hint: str) -> GuardError:
    return GuardError("SQL outside the allowed language", hint=hint, construct=construct[:120])


def _volatile(construct: str) -> GuardError:
    return GuardError(
        "SQL whose result changes from run to run",
        hint="write the value itself, for example a date as DATE '2026-01-31'",
        construct=construct,
    )


class Sandbox:
    """A locked DuckDB in memory for dry runs: empty tables, no files, no network, no settings to change.

    Use it as a context manager; nothing outlives the block. `tables` are the columns of what was created.
    """

    def __init__(self, memory_limit: str = "256MB") -> None:
        self.tables: dict[str, tuple[Column, ...]] = {}
        self._connection = connect(memory_limit=memory_limit, threads=1)
        self._connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def create(self, name: str, columns: Sequence[Column]) -> None:
        """Create one empty table. Raises: GuardError for a type that DuckDB does not know."""
        body = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
        try:
            self._run(f"CREATE TABLE {quote(name)} ({body})")
        except duckdb.Error as error:
            raise _refusal(f"columns of {name}", str(error).splitlines()[0][:200]) from None
        self.tables[name] = tuple(columns)

    def describe(self, sql: str) -> tuple[tuple[Column, ...], str | None]:
        """The output columns of a checked SELECT, or none and DuckDB's complaint about it. Nothing is executed."""
        try:
            rows = self._run(f"DESCRIBE {sql}", read_only=True)
        except duckdb.Error as error:
            return (), str(error)
        return tuple(Column(row[0], "INTEGER" if row[1] == '"NULL"' else row[1]) for row in rows), None

    def castable(self, text: str, kind: str) -> bool:
        """Whether the constant text is a value of that type: DuckDB binds `id = 'abc'` and fails when it runs."""
        return bool(self._run(f"SELECT TRY_CAST({literal(text)} AS {kind}) IS NOT NULL", read_only=True)[0][0])

    def confirm(self, sql: str) -> None:
        """Put the guard's question to DuckDB's own parser: one statement, only allowed functions.

        Raises: GuardError. A text that DuckDB cannot serialise is left to the binder's own error.
        """
        tree = json.loads(self._run(f"SELECT json_serialize_sql({literal(sql)})", read_only=True)[0][0])
        if tree.get("error"):
            return
        if len(tree["statements"]) != 1:
            raise _refusal("several statements", "write exactly one SELECT")
        for node in _objects(tree):
            name = str(node.get("function_name", "")).lower()
            if name and not node.get("is_operator") and name not in NAMES:
                raise _volatile(f"{name}()") if name in VOLATILE else _refusal(f"function {name}", _FUNCTION_HINT)
            if node.get("type") == "TABLE_FUNCTION":
                called = str(node["function"].get("function_name", "")).lower()
                if called not in TABLE_FUNCTIONS:
                    raise _refusal(f"table function {called}", "read sources by extracts")

    def _run(self, statement: str, *, read_only: bool = False) -> list[tuple[Any, ...]]:
        if not read_only:
            return self._connection.execute(statement).fetchall()
        self._connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            return self._connection.execute(statement).fetchall()
        finally:
            self._connection.execute("ROLLBACK")


def _objects(tree: Any) -> Iterator[Mapping[str, Any]]:
    stack = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
