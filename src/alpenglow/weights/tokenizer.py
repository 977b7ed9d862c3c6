"""Prompts to token ids: tokenizer.json and the chat template of a checkpoint's tokenizer folder.

Does what transformers' apply_chat_template and tokenizer call do for a single user message. Knows no model.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import jinja2
import tokenizers
import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from torch import Tensor

from alpenglow.errors import WeightsError

PaddingSide = Literal["left", "right"]
SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


class Tokenizer:
    """A prompt goes through the chat template, is cut on the right and padded to `max_length`."""

    def __init__(
        self,
        vocabulary: tokenizers.Tokenizer,
        template: jinja2.Template,
        *,
        system: str | None = None,
        removed: str = "",
    ) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._system = [] if system is None else [{"role": "system", "content": system}]
        self._removed = removed

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        max_length: int,
        *,
        padding_side: PaddingSide = "right",
        system: str | None = None,
        removed: str = "",
    ) -> Self:
        """Read `tokenizer.json`, `tokenizer_config.json` and, where there is one, `chat_template.jinja`.

        `system` is a message set before every prompt; `removed` is a text that prompts must not contain and is cut out.
        Raises WeightsError if a file is missing or unusable.
        """
        try:
            config = json.loads((folder / "tokenizer_config.json").read_bytes())
            vocabulary = tokenizers.Tokenizer.from_str((folder / "tokenizer.json").read_text("utf-8"))
            separate = folder / "chat_template.jinja"
            source = separate.read_text("utf-8") if separate.exists() else config["chat_template"]
            special = {name: _text(config.get(name)) for name in SPECIAL}
            pad = special["pad_token"] or ""
            template = _environment(special).from_string(source)
        except Exception as error:  # tokenizers raises nothing narrower for a damaged file
            raise WeightsError(f"{folder} is not a usable tokenizer folder: {error!r}") from error
        pad_id = vocabulary.token_to_id(pad)
        if pad_id is None:
            raise WeightsError(f"{folder}/tokenizer.json does not have the padding token {pad!r}")
        vocabulary.enable_truncation(max_length)
        vocabulary.enable_padding(direction=padding_side, pad_id=pad_id, pad_token=pad, length=max_length)
        return cls(vocabulary, template, system=system, removed=removed)

    def encode(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Prompts -> ids (B, max_length) int64 and mask (B, max_length) bool, True at tokens that are not padding."""
        texts = [self.render(prompt) for prompt in prompts]
        rows = self._vocabulary.encode_batch(texts, add_special_tokens=False)
        return torch.tensor([row.ids for row in rows]), torch.tensor([row.attention_mask for row in rows]).bool()

    def unread(self, prompt: str) -> str:
        """The end of a prompt for which there is no room; empty if all of it is read."""
        text, content = self.render(prompt), self._content(prompt)
        read = max(end for _, end in self._vocabulary.encode(text, add_special_tokens=False).offsets)
        begins = text.rfind(content)
        return content[max(0, read - begins) :] if begins >= 0 else ""

    def render(self, prompt: str) -> str:
        """The text that is tokenized: the prompt, unstripped, inside the chat template."""
        messages = [*self._system, {"role": "user", "content": self._content(prompt)}]
        return self._template.render(messages=messages, add_generation_prompt=True, enable_thinking=False)

    def _content(self, prompt: str) -> str:
        return prompt.replace(self._removed, "") if self._removed else prompt


def _text(token: str | dict[str, Any] | None) -> str | None:
    """A special token as tokenizer_config.json writes it: the text itself or a record around it."""
    return token["content"] if isinstance(token, dict) else token


def _environment(special: dict[str, str | None]) -> ImmutableSandboxedEnvironment:
    """Jinja as transformers sets it up for chat templates."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], autoescape=False
    )
    environment.globals.update(special, raise_exception=_refuse, strftime_now=time.strftime)
    return environment


def _refuse(message: str) -> NoReturn:
    """What templates call when a conversation is not of their form."""
    raise jinja2.TemplateError(message)
