"""Errors: one tree, stable codes, a next step."""

import inspect

from agent_etl.engine import errors


def _classes() -> list[type[errors.AgentEtlError]]:
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.AgentEtlError)]
    return [one for one in found if one.__module__ == errors.__name__]


def test_the_tree_is_drawn_whole() -> None:
    """Every error stands in the tree at the top of the module."""
    assert errors.__doc__ is not None
    assert [one.__name__ for one in _classes() if one.__name__ not in errors.__doc__] == []


def test_every_error_says_whether_to_try_again() -> None:
    """Every error but the root is Transient or Terminal, never both."""
    for one in _classes():
        if one is not errors.AgentEtlError:
            assert issubclass(one, errors.Terminal) != issubclass(one, errors.Transient)


def test_codes_are_the_names_in_snake_case() -> None:
    """A code is stable and unique: the class name in snake case."""
    codes = [one.code for one in _classes()]
    assert len(set(codes)) == len(codes)
    assert errors.TargetSchemaMismatch.code == "target_schema_mismatch"


def test_text_has_message_fields_and_hint() -> None:
    """One line says what was wrong, where, and what to do next."""
    error = errors.NotFound("There is no such table", dataset="orders", hint="run `agent-etl inspect shop`")
    assert str(error) == "There is no such table (dataset='orders') → run `agent-etl inspect shop`"


def test_every_error_says_what_to_do_next() -> None:
    """An error that is raised without a hint gives its class's advice; a hint of its own wins."""
    for one in _classes():
        assert len(one("m").hint) > 10
    assert errors.ConnectionLost("m").hint != errors.AgentEtlError("m").hint
    assert "server runs" in str(errors.ConnectionLost("m", connection="crm"))
    assert errors.Busy("m", hint="end the other").hint == "end the other"
