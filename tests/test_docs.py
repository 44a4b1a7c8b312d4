"""What the documents show is run, in order, in one folder for each document, with the example shop in it."""

import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_etl.engine.plan import Plan
from agent_etl.example import make_shop

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```([\w ]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a reader types to install; everything else that is shown is executed.
INSTALLS = ("pip install", "pytest", "make ", "langgraph dev")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(match[1], match[2], text[: match.start()].count("\n") + 2)


def run(arguments: list[str], folder: Path, expected_codes: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode in expected_codes, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def console(block: Block, folder: Path) -> None:
    """Each `$ agent-etl …` line is run; the lines under it occur in its output, in that order.

    A command that does not end with 0 says so: `# exit 3`.
    """
    shown: list[tuple[str, list[str]]] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            shown.append((line[2:], []))
        elif line.strip() and shown:
            shown[-1][1].append(line)
    assert shown, "a console block without a command"
    for command, expected in shown:
        command, _, code = command.partition("  # exit ")
        command, _, target = command.partition(" > ")
        program, *arguments = shlex.split(command)
        assert program == "agent-etl", f"not run: {command}"
        output = run(["-m", "agent_etl", *arguments], folder, (int(code or 0),))
        if target:
            (folder / target.strip()).write_text(output, encoding="utf-8")
        rest = output
        for line in expected:
            before, found, rest = rest.partition(line.strip())
            assert found, f"{line.strip()!r} is not in what {command!r} prints:\n{output}"
            del before


def execute(block: Block, folder: Path) -> None:
    match block.language:
        case "python":
            run(["-c", block.text], folder)
        case "console":
            console(block, folder)
        case "yaml":
            Plan.parse(block.text)
            name = re.match(r"# (\S+\.yaml)\n", block.text)
            if name:
                (folder / name[1]).write_text(block.text, encoding="utf-8")
        case "toml":
            tomllib.loads(block.text)
        case "sh":
            for line in block.text.splitlines():
                assert all(part.strip().startswith((*INSTALLS, "agent-etl demo")) for part in line.split("&&")), line
        case "text" | "mermaid":
            assert block.text.strip()
        case "goal" | "goal ask" | "goal refuse":
            assert block.text.strip()  # tests/agents/rules/test_parser.py runs each against its rows
        case other:
            pytest.fail(f"no rule for a block of language {other!r}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_code_block_runs(document: Path, tmp_path: Path) -> None:
    """Every Python, console, plan and settings block of the document works as it stands, one after the other."""
    found = list(blocks(document))
    if found:
        make_shop(tmp_path)
    for block in found:
        try:
            execute(block, tmp_path)
        except AssertionError as error:
            raise AssertionError(f"{document.relative_to(ROOT)}:{block.line}: {error}") from error


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of the document names a file or folder of the repository."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_named_files_exist(document: Path) -> None:
    """Every `room/module.py` that the document names is there."""
    for name in re.findall(
        r"\b((?:tests/)?(?:agent_etl|agents|connectors|engine|graphs|tools)/[\w/]+\.py)\b", document.read_text()
    ):
        assert (ROOT / name).is_file(), name


def test_the_picture_is_the_graph() -> None:
    """The state machine drawn in the README has exactly the edges of the one that runs."""
    from agent_etl.graphs.pipeline import build_graph

    picture = next(block.text for block in blocks(ROOT / "README.md") if block.language == "mermaid")
    drawn = set(re.findall(r"^\s*(\w+)\S*(?:\(.*?\))? -->(?:\|.*?\|)? (\w+)", picture, re.MULTILINE))
    names = {"__start__": "goal", "__end__": "report"}
    edges = {(names.get(e.source, e.source), names.get(e.target, e.target)) for e in build_graph().get_graph().edges}
    # A resumed run enters where it stopped, and the orchestrator follows itself: that is not drawn.
    real = {(source, target) for source, target in edges if source not in (target, "goal")}
    assert drawn == {("goal", "orchestrator"), *real}


def test_the_studio_file_names_the_graph() -> None:
    """langgraph.json leads to a graph that can be imported."""
    settings = json.loads((ROOT / "langgraph.json").read_text())
    for address in settings["graphs"].values():
        module, _, name = address.partition(":")
        assert hasattr(importlib.import_module(module), name)


def test_the_promised_effects_are_those_of_the_connectors() -> None:
    """Each row of the README's table of targets says what that connector's capabilities say."""
    rows = re.findall(
        r"^\| (\S+).*? \| ([\w, ]+) \| (exactly once|at least once) \|", (ROOT / "README.md").read_text(), re.M
    )
    modules = {
        "PostgreSQL": "postgres_session",
        "MySQL": "mysql_session",
        "SQLite": "sqlite_session",
        "DuckDB": "duckdb_session",
        "files": "filetarget",
    }
    assert {name for name, _, _ in rows} == set(modules)
    for name, modes, effect in rows:
        promised = importlib.import_module(f"agent_etl.connectors.{modules[name]}").CAPABILITIES
        assert (set(modes.split(", ")), effect.replace(" ", "_")) == (promised.modes, promised.effect)
