"""YAML by the core schema of its version 1.2: what a person means by a plain word is what arrives.

PyYAML follows YAML 1.1, where `on` and `no` are booleans, `12:30` is 750, `010` is 8 and `2024-01-01` is no text. A
plan has a field named `on`, and accepted values such as NO.
"""

import re
from typing import Any

import yaml

__all__ = ["dump", "parse"]

_CORE = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    """A mapping whose keys each stand once: of two equal ones YAML would keep the last and say nothing."""
    seen: dict[Any, yaml.Mark] = {}
    for key, _ in node.value:
        name = loader.construct_object(key, deep=True)
        if isinstance(name, str) and name in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{name} stands here twice", key.start_mark)
        seen[str(name)] = key.start_mark
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    """A text of several lines as a block, so that SQL is read and edited as SQL."""
    folded = any(end in text for end in "\x85\u2028\u2029")  # line ends of YAML that only quotes keep as they are
    style = '"' if folded else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: _Dumper, values: list[Any]) -> yaml.Node:
    """A list of plain values on one line."""
    plain = not any(isinstance(value, dict) or (isinstance(value, str) and "\n" in value) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)

for _tag, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _letters = ["" if letter == "\0" else letter for letter in _first]
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _letters)


def parse(text: str) -> Any:
    """The one document in the text, of plain Python values. Raises: yaml.YAMLError."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def dump(content: Any) -> str:
    """The content as YAML, in its own order, such that `parse` gives it back."""
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
