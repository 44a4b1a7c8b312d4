"""The pipeline for LangGraph Studio and `langgraph dev`: langgraph.json names `graph` and `create_checkpointer`.

A goal typed as the input `{"goal": "...", "approve": "ask"}` becomes a run of the home in the server's current folder.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from agent_etl.engine.settings import load_settings
from agent_etl.graphs.checkpoints import async_checkpoints
from agent_etl.graphs.pipeline import build_graph

__all__ = ["create_checkpointer", "graph"]

_SETTINGS = load_settings()

# The server brings the checkpointer: a graph that has its own is refused.
graph = build_graph().with_config(max_concurrency=_SETTINGS.concurrency)


@asynccontextmanager
async def create_checkpointer() -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """The home's own checkpoints, so that a run begun in Studio is resumed from anywhere by its id."""
    async with async_checkpoints(_SETTINGS.home) as saver:
        yield saver
