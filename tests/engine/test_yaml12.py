"""YAML by its version 1.2."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent_etl.engine.yaml12 import dump, parse

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "NO", "Y", "12:30", "2024-01-01", "010", "0x1f", "1_000"])
def test_a_plain_word_stays_a_text(word: str) -> None:
    """Neither as a key nor as a value does a word become a boolean, a number of minutes, an octal or a date."""
    assert parse(f"{word}: [{word}]") == {word: [word]}


def test_numbers_booleans_and_nulls_are_read() -> None:
    """The core schema's own scalars arrive as what they are, a number with an exponent too."""
    assert parse("[1, -2, 0.5, 1e3, true, False, null, ~, ]") == [1, -2, 0.5, 1000.0, True, False, None, None]
    assert parse("a:") == {"a": None}


@given(PLAIN)
def test_what_is_dumped_is_parsed_back(content: object) -> None:
    """Any JSON-like content survives the round trip with its types."""
    back = parse(dump(content))
    assert back == content
    assert repr(back) == repr(content)


def test_a_tag_builds_nothing() -> None:
    """A document cannot make objects."""
    with pytest.raises(yaml.YAMLError):
        parse("!!python/object/apply:os.getcwd []")
