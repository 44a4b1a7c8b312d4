"""Typed settings: `agent_etl.toml` in the current directory, `AGENT_ETL_*` variables, arguments; later ones win.

home = ".agent_etl"
memory_limit = "768MB"

[connections]
shop = "sqlite:///shop.db"
crm = { url = "postgresql://etl:${CRM_PASSWORD}@db/crm", protected = true }
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agent_etl.engine.errors import SettingsError
from agent_etl.engine.security.secrets import redact

__all__ = ["SETTINGS_FILE", "ConnectionSettings", "Settings", "environment", "is_home_here", "is_text", "load_settings"]

SETTINGS_FILE = "agent_etl.toml"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


def environment(name: str) -> str | None:
    """The value of an environment variable as it is now, or None."""
    return os.environ.get(name)


def is_text(name: str) -> bool:
    """Whether a name from the command line or the file system is UTF-8: what is not, no database can open."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class ConnectionSettings(BaseModel):
    """Where a connection leads. `protected`: a load into it always asks for approval first.

    `url` may hold `${NAME}` references; they stay references here. Its password never shows in `repr`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(min_length=1)]
    protected: bool = False

    @model_validator(mode="before")
    @classmethod
    def _accept_a_bare_url(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    def __repr__(self) -> str:
        return f"ConnectionSettings(url={redact(self.url)!r}, protected={self.protected})"

    __str__ = __repr__


class Settings(BaseSettings):
    """What a person may set. Frozen.

    `home` holds state, staged data and the default warehouse. `memory_limit` bounds DuckDB's buffers, `threads` its
    workers (None: one a core). `concurrency` tasks run at once. A transient failure is tried `max_retries` times more,
    a failed plan is corrected at most `max_repairs` times, a run that crashes is resumed at most `max_recoveries` times
    in a row. `store_url` moves the run store into another database. `log` writes each event of a run to standard error,
    one line each, from `log_level` up.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="AGENT_ETL_",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Path(".agent_etl")
    connections: dict[str, ConnectionSettings] = Field(default_factory=dict)
    memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s?([KMGT]i?B)$")] = "768MB"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    max_repairs: Annotated[int, Field(ge=0, le=20)] = 3
    max_recoveries: Annotated[int, Field(ge=0, le=1000)] = 5
    max_retries: Annotated[int, Field(ge=0, le=20)] = 4
    store_url: str | None = Field(default=None, repr=False)
    log: Literal["json", "console"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("home")
    @classmethod
    def _home_is_absolute(cls, value: Path) -> Path:
        home = value.expanduser().absolute()
        if not is_text(str(home)):
            raise ValueError("its path holds bytes that are not UTF-8: rename that folder, or name another home")
        return home

    @field_validator("connections")
    @classmethod
    def _names_are_words(cls, value: dict[str, ConnectionSettings]) -> dict[str, ConnectionSettings]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"the connection name {name!r} is not one word of letters, digits, _ and -")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(SETTINGS_FILE))


def load_settings(*, home: Path | str | None = None, connections: Mapping[str, str] | None = None) -> Settings:
    """Settings of the current directory; the arguments win over the environment, and that over the file.

    A connection given here keeps the `protected` of the configured one of that name.

    Raises: SettingsError naming the setting and what is valid. Writes nothing.
    """
    given: dict[str, Any] = {} if home is None else {"home": Path(home)}
    try:
        settings = Settings(**given)
        if not connections:
            return settings
        merged: dict[str, Any] = {name: one.model_dump() for name, one in settings.connections.items()}
        for name, url in connections.items():
            merged[name] = {**merged.get(name, {}), "url": url}
        return Settings.model_validate({**settings.model_dump(), "connections": merged})
    except ValidationError as error:
        raise _explain(error) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("The settings file is not valid TOML", file=SETTINGS_FILE, problem=str(error)) from None
    except UnicodeDecodeError:
        raise SettingsError(
            "The settings file is not UTF-8 text", file=SETTINGS_FILE, hint="save it as UTF-8"
        ) from None


def is_home_here(home: Path) -> bool:
    """Whether a command in the current directory uses that home without being told."""
    try:
        return load_settings().home == home.expanduser().absolute()
    except SettingsError:
        return False


_WORDS = {
    "extra_forbidden": "there is no such setting",
    "string_too_short": "it is empty",
    "missing": "it is missing",
    "int_parsing": "a whole number is wanted",
    "model_type": 'a URL is wanted, or { url = "…", protected = true }',
    "model_attributes_type": 'a URL is wanted, or { url = "…", protected = true }',
    "string_pattern_mismatch": "a size is wanted, such as 768MB or 2GiB",
}
"""Problems in the words of a settings file, by pydantic's names of them; its own words where there are none here."""


def _explain(error: ValidationError) -> SettingsError:
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    wanted = "valid are " if problem["type"] == "literal_error" else "it should be "
    said = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be ", wanted)
    fields: dict[str, object] = {"setting": name, "problem": redact(_WORDS.get(problem["type"], said))}
    if problem["type"] == "extra_forbidden":
        nested = problem["loc"][0] == "connections"
        fields["valid"] = sorted(ConnectionSettings.model_fields if nested else Settings.model_fields)
    given = f"{SETTINGS_FILE}, AGENT_ETL_{str(problem['loc'][0]).upper()}" if problem["loc"] else SETTINGS_FILE
    return SettingsError("A setting is not valid", hint=f"correct it in {given} or on the command line", **fields)
