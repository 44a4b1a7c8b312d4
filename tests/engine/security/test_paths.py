"""State lies in private folders, and names cannot lead outside."""

import stat

import pytest

from agent_etl.engine.errors import SettingsError, UsageError
from agent_etl.engine.security.paths import inside, prepare_home, private_file


def test_the_home_is_for_its_owner_alone(tmp_path):
    """A new home has mode 0700 and its files 0600."""
    home = prepare_home(tmp_path / "a" / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(private_file(home / "x").stat().st_mode) == 0o600


def test_a_readable_home_is_narrowed(tmp_path):
    """A home that others could read is closed to them."""
    tmp_path.chmod(0o755)
    assert stat.S_IMODE(prepare_home(tmp_path).stat().st_mode) == 0o700


def test_a_home_that_everybody_may_write_is_refused(tmp_path):
    """State that anybody could have written is not trusted."""
    tmp_path.chmod(0o777)
    with pytest.raises(SettingsError, match="Everybody"):
        prepare_home(tmp_path)


def test_a_home_that_is_a_file_is_refused(tmp_path):
    """A file in the home's place is an error that names it."""
    (tmp_path / "f").write_text("")
    with pytest.raises(SettingsError, match="not a folder"):
        prepare_home(tmp_path / "f")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "link/x", "a\0b"])
def test_names_cannot_leave_their_root(tmp_path, name):
    """Neither dots nor absolute names nor links lead outside."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError):
        inside(root, name)


def test_names_below_the_root_are_fine(tmp_path):
    """A name below the root is given as a whole path."""
    assert inside(tmp_path, "a/./b.csv") == tmp_path.resolve() / "a" / "b.csv"
