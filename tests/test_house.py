"""The house rules, judged over the source as it stands."""

import ast
import importlib
import inspect
import re
import statistics
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("agents", "connectors", "engine", "graphs", "tools")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in (*ROOMS, "agent_etl")
    for path in (ROOT / room).rglob("*.py")
    if not any((ROOT / "agent_etl" / name) in path.parents for name in ROOMS)
)
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))

# Which files may import a third-party package. What is not listed here may be imported nowhere.
ALLOWED = {
    "adbc_driver_manager": ("connectors/*",),
    "adbc_driver_postgresql": ("connectors/*",),
    "adbc_driver_sqlite": ("connectors/*",),
    "annotated_types": (),
    "duckdb": ("engine/duck.py", "engine/sandbox.py", "connectors/duckdb.py"),
    "IPython": ("agent_etl/jupyter.py",),
    "langgraph": ("graphs/*", "agents/*"),
    "pyarrow": ("engine/*", "connectors/*", "tools/*", "graphs/*"),
    "pydantic": ("*",),
    "pydantic_settings": ("engine/settings.py",),
    "pymysql": ("connectors/mysql_wire.py", "connectors/mysql_channel.py"),
    "rapidfuzz": ("engine/*", "agents/*", "tools/*"),
    "rich": ("agent_etl/*",),
    "sqlalchemy": ("engine/store.py", "engine/database.py", "engine/lease.py"),
    "sqlglot": ("engine/*", "connectors/*", "tools/*", "agents/*", "graphs/lineage.py"),
    "structlog": ("engine/observe/*",),
    "tenacity": ("engine/*", "connectors/*", "graphs/*", "tools/*", "agents/*"),
    "typer": ("agent_etl/*",),
    "typing_extensions": ("graphs/*", "agents/*"),
    "yaml": ("engine/*",),
}
# What a distribution is imported as, where the names differ.
DISTRIBUTIONS = {"pyyaml": "yaml", "langgraph-checkpoint-sqlite": "langgraph"}
# Declared for SQLAlchemy, which imports it by the name in a URL.
BY_URL = {"psycopg": ("engine/database.py", "postgresql+psycopg")}
READS_ENVIRONMENT = ("engine/settings.py", "engine/security/*", "engine/faults.py")
SETS_ENVIRONMENT_BEFORE_IMPORT = ("graphs/__init__.py", "agents/__init__.py")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def imported(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            yield node.module or ""


def exported(node: ast.Module) -> list[str] | None:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in statement.targets
        ):
            value: list[str] = ast.literal_eval(statement.value)
            return value
    return None


def public(node: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for statement in node.body:
        if isinstance(
            statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and not statement.name.startswith("_"):
            yield statement


def test_rooms_are_links_of_the_package() -> None:
    """The package folder shows each room by a relative link, so that one file has one import name."""
    for room in ROOMS:
        link = ROOT / "agent_etl" / room
        assert link.is_symlink()
        assert link.readlink() == Path("..") / room


@pytest.mark.parametrize("module", MODULES)
def test_module_fits_on_a_few_screens(module: str) -> None:
    """No module is longer than 400 lines, and none is empty."""
    text = (ROOT / module).read_text(encoding="utf-8")
    assert 0 < len(text.splitlines()) <= 400
    assert ast.get_docstring(tree(module)), "a module says what it is"
    if not module.endswith("__init__.py"):
        assert len(tree(module).body) > 1, "nothing but a docstring"


def test_functions_can_be_seen_whole() -> None:
    """No function is longer than 60 lines; half of them have at most 12."""
    lengths = {
        f"{module}:{function.lineno} {function.name}": length(function)
        for module in MODULES
        for function in functions(tree(module))
    }
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
    assert statistics.median(lengths.values()) <= 12


@pytest.mark.parametrize("module", MODULES)
def test_third_party_packages_stay_in_their_rooms(module: str) -> None:
    """A module imports the standard library, the package itself and what its room is allowed."""
    for name in imported(module):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top == "agent_etl":
            continue
        patterns = ALLOWED.get(top)
        assert patterns is not None, f"{top} is on no allow-list"
        assert any(fnmatch(module, pattern) for pattern in patterns), f"{top} is allowed in {patterns}"


def test_dependencies_are_those_that_are_imported() -> None:
    """Every third-party package that is imported is declared, and every declared one is imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = set()
    for requirement in project["dependencies"]:
        name = re.split(r"[\[<>=!~; ]", requirement)[0].lower()
        declared.add(DISTRIBUTIONS.get(name, name.replace("-", "_")))
    used = {name.split(".")[0] for module in MODULES for name in imported(module)}
    used |= {name for name, (module, scheme) in BY_URL.items() if scheme in (ROOT / module).read_text()}
    assert declared - used == set(), "declared and never imported"
    assert used - declared - set(sys.stdlib_module_names) - {"agent_etl", "IPython"} == set(), "imported, not declared"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_executes_data(module: str) -> None:
    """No module unpickles, evaluates text, starts a shell or builds objects from YAML."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "__import__", "yaml.load", "os.system", "os.popen", "compile"}, called
            shell = [k for k in node.keywords if k.arg == "shell"]
            assert not shell, f"line {node.lineno}: shell="
    assert not {"pickle", "marshal", "shelve", "dill", "cloudpickle", "pandas"} & {
        name.split(".")[0] for name in imported(module)
    }


@pytest.mark.parametrize("module", MODULES)
def test_environment_is_read_in_one_place(module: str) -> None:
    """Only the settings, the secrets and the fault points look at the process's environment."""
    if any(fnmatch(module, pattern) for pattern in READS_ENVIRONMENT):
        return
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.putenv"}:
            assert module in SETS_ENVIRONMENT_BEFORE_IMPORT, f"line {node.lineno}"


def promised() -> set[str]:
    """The methods that a protocol describes: who keeps it need not repeat the words."""
    names = set()
    for module in MODULES:
        for statement in tree(module).body:
            if isinstance(statement, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in statement.bases):
                names |= {f.name for f in functions(statement) if ast.get_docstring(f)}
    return names


def inherited(module: str, owner: str, method: str) -> str | None:
    """What a base class says of the method."""
    name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    found = importlib.import_module(name if name.startswith("agent_etl") else f"agent_etl.{name}")
    return inspect.getdoc(getattr(getattr(found, owner), method))


PROMISED = promised()


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_listed_and_described(module: str) -> None:
    """`__all__` lists what is public, constants, classes, functions, each sorted; each says what it gives."""
    node = tree(module)
    names = exported(node)
    defined = {statement.name for statement in public(node)}
    if names is None:
        assert not defined, f"no __all__ for {sorted(defined)}"
        return
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert defined <= set(names), f"public and not listed: {sorted(defined - set(names))}"
    for statement in public(node):
        assert ast.get_docstring(statement), f"{statement.name} has no docstring"
        if isinstance(statement, ast.ClassDef):
            for method in statement.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    assert (
                        ast.get_docstring(method)
                        or method.name in PROMISED
                        or inherited(module, statement.name, method.name)
                    ), f"{statement.name}.{method.name} has no docstring"


@pytest.mark.parametrize("path", TESTS)
def test_each_test_states_its_promise(path: str) -> None:
    """A test's docstring is one sentence, and no two tests of a file share a name."""
    names = []
    for function in functions(tree(path)):
        if not function.name.startswith("test_"):
            continue
        names.append(function.name)
        promise = ast.get_docstring(function)
        assert promise, f"{function.name} has no docstring"
        assert promise.endswith("."), f"{function.name}: {promise!r}"
        assert "\n\n" not in promise, f"{function.name}: more than one paragraph"
    assert names, "a test file without tests"
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", [path for path in TESTS if path.split("/")[1] in ROOMS])
def test_tests_mirror_the_rooms(path: str) -> None:
    """Each test file of a room bears the name of one of its modules or folders."""
    _, *folders, name = path.split("/")
    stem = name.removeprefix("test_").removesuffix(".py")
    beside = ROOT.joinpath(*folders)
    candidates = {p.stem for p in beside.glob("*.py")} | {p.name for p in beside.iterdir() if p.is_dir()}
    assert any(stem == known or stem.startswith(f"{known}_") for known in candidates), sorted(candidates)


def test_importing_any_module_has_no_side_effect(tmp_path: Path) -> None:
    """Importing every module prints nothing, writes nothing, starts no thread."""
    names = [m.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for m in MODULES]
    names = [name if name.startswith("agent_etl") else f"agent_etl.{name}" for name in names]
    names.remove("agent_etl.__main__")
    script = (
        "import importlib, threading\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_doors_open_lightly() -> None:
    """Neither importing the package nor asking for help loads an engine, a driver or the state machine."""
    heavy = "{'langgraph', 'duckdb', 'sqlalchemy', 'pyarrow', 'sqlglot', 'pydantic', 'rich', 'IPython'}"
    for start in ("import agent_etl", "import sys; sys.argv = ['agent-etl', '--help']; import agent_etl.cli as c"):
        script = f"""
import contextlib, io, sys
{start}
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    c.app() if 'c' in globals() else None
print(sorted({heavy} & {{name.split('.')[0] for name in sys.modules}}))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=100,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_and_no_test(wheel: Path) -> None:
    """The wheel has each module once, under the package's name, and nothing of the repository around it."""
    names = zipfile.ZipFile(wheel).namelist()
    for module in MODULES:
        expected = module if module.startswith("agent_etl/") else f"agent_etl/{module}"
        assert names.count(expected) == 1, expected
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"agent_etl"}
    assert not [name for name in names if "/test" in name or name.endswith(".pyc")]


def test_the_demo_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """In an empty folder, with nothing but the wheel, the demo loads its table and shows rows of it."""
    package, folder = tmp_path / "site", tmp_path / "empty"
    folder.mkdir()
    zipfile.ZipFile(wheel).extractall(package)
    script = f"import sys; sys.path.insert(0, {str(package)!r}); from agent_etl.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "demo"], cwd=folder, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout
    assert (folder / "agent-etl-demo").is_dir()
