"""What every part of a plan is: a frozen model that refuses fields it does not know."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Part", "StepName"]

StepName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
"""The name of a step, under which SQL can read it."""


class Part(BaseModel):
    """The base of a plan's models: frozen, strict about field names, texts without outer spaces."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, str_strip_whitespace=True)
