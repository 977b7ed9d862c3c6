"""One `Settings`: the only reader of the environment and of the configuration file.

Sources, the first wins: values given by the caller (the command line), variables `ALPENGLOW_*`, the TOML file
(`alpenglow.toml` in the working directory, or the one named by `config_file`), the defaults below.
Knows nothing of HTTP and imports no torch; `device` and `models` are only names here.
"""

import difflib
import ipaddress
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from alpenglow.errors import SettingsError

PREFIX = "ALPENGLOW_"
DEFAULT_FILE = Path("alpenglow.toml")

SECRETS = ("token", "ledger_url")

Names = Annotated[tuple[str, ...], NoDecode]
"""Several names; in the environment separated by commas."""


class Settings(BaseSettings):
    """What a server may be told. Frozen. Each field is also `ALPENGLOW_<NAME>` and a key of the TOML file.

    Use `Settings.load` where a person typed the values: it raises SettingsError with a sentence that names the
    variable, whereas the constructor raises pydantic's ValidationError.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    config_file: Path = Field(DEFAULT_FILE, description="TOML file with these settings.")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8770, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    token: SecretStr | None = Field(None, min_length=1, description="Bearer token that callers must send.")
    allow_anonymous: bool = Field(default=False, description="Listen beyond loopback without a token.")
    ledger_url: SecretStr | None = Field(
        None, min_length=1, description="Ledger of accounts and tokens: local, sqlite:///file or postgresql://..."
    )
    server_name: str = Field(
        default_factory=platform.node, min_length=1, description="Name of this server among those that share a ledger."
    )
    cors_origins: Names = Field(
        (), description="Origins of web pages that may call, such as http://a.example; * is any."
    )
    request_timeout_seconds: float = Field(
        600.0, gt=0, le=86_400, description="After so long, upload and queue included, a request is answered 408."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least of what is logged.")

    models: Names = Field(("demo",), min_length=1, description="Catalogue rows to load.")
    models_dir: Path = Field(
        default_factory=lambda: _cache_dir() / "models", description="Folder of the downloaded checkpoints."
    )
    hub_cache_dir: Path = Field(
        default_factory=lambda: _hub_cache_dir(),  # noqa: PLW0108 - the function stands below
        description="Hugging Face's cache, searched after models_dir.",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["auto", "exact", "bf16", "int8", "fp8"] = Field(
        "exact", description="exact is what parity is measured in; auto is int8 or bf16 where the device has them."
    )
    offload: Literal["none", "text_encoder", "blocks"] = Field(
        "none", description="What comes to a GPU only when it is due: layers of the text encoder, or of all networks."
    )
    solo: bool = Field(
        default=False, description="One request at a time: a picture never depends on what else is being made."
    )
    cache_bytes: int | None = Field(
        None, ge=0, description="Kept prompt embeddings and references, for each model; unset lets the model choose."
    )
    threads: int | None = Field(None, ge=1, description="Threads of the arithmetic on a CPU; unset lets torch choose.")
    max_batch_tokens: int | None = Field(
        None, ge=1, description="Tokens of all pictures that one forward may hold; unset is 1024 on a CPU, else 16384."
    )
    max_queued: int = Field(
        256,
        ge=0,
        description="Requests that may wait, if predicted to end within the timeout; one more is answered 429.",
    )
    ignore_guidance_on_distilled: bool = Field(
        default=False, description="Take guidance as 1 on distilled models, as the reference implementations do."
    )

    embed_prompt: bool = Field(
        default=False, description="Write the prompt into the pictures' metadata, beside model and seed."
    )
    strict: bool = Field(
        default=False,
        description="Refuse what Cloudflare refuses: JSON, forms without boundary, images over 512 x 512.",
    )
    max_body_bytes: int = Field(64_000_000, ge=1, description="Largest request body.")
    max_parts: int = Field(32, ge=1, description="Most fields in a form.")
    max_image_bytes: int = Field(20_000_000, ge=1, description="Largest reference image, as sent.")
    max_text_bytes: int = Field(65_536, ge=1, description="Longest text field, the prompt included.")
    max_reference_pixels: int = Field(64_000_000, ge=1, description="Most pixels of a reference, width x height.")

    @classmethod
    def load(cls, given: Mapping[str, object] | None = None) -> Self:
        """Settings from all sources. `given` are the caller's own values; None among them means not given.

        Raises SettingsError, one line for each bad value, named as the environment variable.
        """
        values = {name: value for name, value in (given or {}).items() if value is not None}
        if misspelt := _misspelt(os.environ):
            raise SettingsError("\n".join(f"{name} is no setting: did you mean {near}?" for name, near in misspelt))
        try:
            # A mapping by name is the public way into pydantic-settings; mypy sees the typed fields instead.
            return cls(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsError(_in_words(error)) from None
        except (OSError, ValueError) as error:  # the file is missing, unreadable or not TOML
            raise SettingsError(f"The configuration file cannot be used: {error}") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Caller, environment, file. A file that was asked for by name must exist; the default one need not."""
        named = (env_settings() | init_settings()).get("config_file")
        if named is not None and not Path(named).is_file():
            raise FileNotFoundError(f"{named} is not a file")
        file = TomlConfigSettingsSource(settings_cls, toml_file=Path(named or DEFAULT_FILE))
        return init_settings, env_settings, file

    @field_validator("models", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """`a, b` of the environment is ("a", "b")."""
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("token", mode="before")
    @classmethod
    def _stripped(cls, value: object) -> object:
        """Files that hold a token end in a newline, and no header carries white space at its end."""
        return value.strip() if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """As browsers send them: without a slash at the end."""
        origins = tuple(origin.rstrip("/") for origin in value)
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#]+", origin):
                raise ValueError(f"{origin} is no origin: write http://a.example, with a port if it has one, or *")
        return origins

    @field_validator("ledger_url")
    @classmethod
    def _local_file(cls, value: SecretStr | None) -> SecretStr | None:
        """`local` is a file of ours in the user's data folder."""
        return local_ledger() if value is not None and value.get_secret_value() == "local" else value

    @field_validator("models_dir", "hub_cache_dir")
    @classmethod
    def _home(cls, value: Path) -> Path:
        """A file has no shell to say what ~ is."""
        return value.expanduser()

    def check_listening(self) -> None:
        """Raises SettingsError where a server must not listen so. Other commands do not mind."""
        if self.token is not None and self.ledger_url is not None:
            raise SettingsError(f"Set {PREFIX}TOKEN or {PREFIX}LEDGER_URL: a ledger has tokens of its own")
        guarded = self.token is not None or self.ledger_url is not None
        if not guarded and not self.allow_anonymous and not is_loopback(self.host):
            raise SettingsError(
                f"Listening on {self.host} without a token lets anyone on the network use this machine: set "
                f"{PREFIX}TOKEN, or {PREFIX}ALLOW_ANONYMOUS=true if that is what you want"
            )


def terminal_graphics() -> str | None:
    """The protocol by which this terminal shows pictures, by what it says of itself: kitty, iterm2, or none."""
    if "KITTY_WINDOW_ID" in os.environ or os.environ.get("TERM") in {"xterm-kitty", "xterm-ghostty"}:
        return "kitty"
    programs = {os.environ.get("TERM_PROGRAM"), os.environ.get("LC_TERMINAL")}
    return "iterm2" if programs & {"iTerm.app", "iTerm2", "WezTerm"} else None


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without brackets, means this machine only."""
    return ipaddress.ip_address(host).is_loopback if is_address(host) else host.lower() == "localhost"


def is_address(host: str) -> bool:
    """Whether `host`, without brackets, is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def local_ledger() -> SecretStr:
    """The URL of the ledger called `local`: a SQLite file, by the XDG base directory specification."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return SecretStr(f"sqlite:///{data / 'alpenglow' / 'ledger.db'}")


def set_up_torch() -> None:
    """Tell torch by its own variables, unless they say otherwise, where to keep compiled kernels and to use huge pages.

    The kernels outlive a restart. Tensors of megabytes come in pages of 2 MB on Linux: in pages of 4 kB, fresh ones
    cost a decode a third of its time. torch reads this once, before its first tensor.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_cache_dir() / "compiled"))
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _cache_dir() -> Path:
    """Our folder under the user's cache, by the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alpenglow"


def _hub_cache_dir() -> Path:
    """Where Hugging Face's own tools keep downloads, by their variables."""
    told = os.environ.get
    cache = told("XDG_CACHE_HOME") or "~/.cache"
    home = told("HF_HOME") or f"{cache}/huggingface"
    found = told("HF_HUB_CACHE") or told("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(found)).expanduser()


def _in_words(error: ValidationError) -> str:
    """One line for each fault: the variable, what is wrong, what was given. Secrets are not repeated."""
    lines = []
    for fault in error.errors():
        field = str(fault["loc"][0]) if fault["loc"] else ""
        message = fault["msg"].removeprefix("Value error, ")
        known = field in Settings.model_fields
        if fault["type"] == "extra_forbidden":
            near = _near(field)
            lines.append(f"{field} is no setting" + (f": did you mean {near}?" if near else ""))
            continue
        shown = "" if not field or field in SECRETS else f" (got {fault['input']!r})"
        lines.append(f"{PREFIX + field.upper() if known else field or 'Settings'}: {message}{shown}")
    return "\n".join(lines)


def _misspelt(variables: Iterable[str]) -> list[tuple[str, str]]:
    """Variables that are nearly ones of ours, and those. Others with our prefix are somebody else's, as Kubernetes'
    are.
    """
    names = (name.removeprefix(PREFIX).lower() for name in variables if name.startswith(PREFIX))
    found = ((name, _near(name)) for name in names if name not in Settings.model_fields)
    return [(PREFIX + name.upper(), PREFIX + near.upper()) for name, near in found if near]


def _near(name: str) -> str | None:
    """The setting that a misspelt name comes near to, if there is one."""
    return next(iter(difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.75)), None)
