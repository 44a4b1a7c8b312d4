"""What a column of text holds is told by its values."""

import pytest

from agent_etl.engine.disguises import disguise


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (["9", "10"], "numbers"),
        (["$1,200", "$300", "n/a"], "numbers"),
        (["5 kg", "12 kg", ""], "numbers"),
        (["-5", "3"], ""),
        (["-5", "-10", "-100"], "numbers"),
        (["007", "008", "010"], ""),
        (["9:30", "10:00"], "times"),
        (["09:30", "10:00"], ""),
        (["05/03/2024", "13/01/2024"], "dates"),
        (["Mar 5, 2024", "Jan 13, 2024"], "dates"),
        (["2024-03-05", "2024-01-13"], ""),
        (["Ann", "Bob", "9", "10"], ""),
        ([], ""),
        (["n/a"], ""),
    ],
)
def test_a_disguise_is_an_order_that_letters_get_wrong(values: list[str], what: str) -> None:
    """Numbers, times and dates count only where their letters put them into another order; a few do not."""
    assert disguise(values) == what
