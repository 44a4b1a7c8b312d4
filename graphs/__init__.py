"""Order: who acts next, when a run pauses, how it resumes."""

import os

# LangGraph reads this when it is imported: without it a checkpoint that was tampered with can name any class to build.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
