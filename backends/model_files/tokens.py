"""The tokenizer of an endpoint's model, where the user names it: prompts are cut into tokens here."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from backends.chat import ChatMessage
from backends.errors import BackendError
from backends.model_files.chat_template import rendered_chat, template_of
from backends.model_files.fingerprint import Digests, tokenizer_identity
from backends.model_files.source import ModelSource, locate
from backends.model_files.tokenization import CutText, Tokenization, resolve_max_length


class EndpointTokens:
    """Prompts as tokens by the rules of the `hf` backend.

    name: folder or hub id of a model or tokenizer.
    max_length: tokens the endpoint reads at once, if not what the model's configuration says, less `spare`.
    revision, trust_remote_code, add_bos_token: as options of the `hf` backend.
    """

    def __init__(
        self,
        name: str,
        max_length: int | None,
        home: Path | None,
        *,
        spare: int = 0,
        revision: str | None = None,
        trust_remote_code: bool = False,
        add_bos_token: bool | None = None,
    ) -> None:
        self._name = name
        self._max_length = max_length
        self._home = home
        self._spare = spare
        self._revision = revision
        self._trust_remote_code = trust_remote_code
        self._add_bos_token = add_bos_token

    @cached_property
    def tokenization(self) -> Tokenization:
        return Tokenization(self.tokenizer, self.max_length, self._add_bos_token)

    @cached_property
    def tokenizer(self) -> Any:
        from backends.model_files.loading import load_tokenizer

        return load_tokenizer(
            self._source, trust_remote_code=self._trust_remote_code, add_bos_token=self._add_bos_token
        )

    @cached_property
    def max_length(self) -> int:
        if self._max_length is not None:
            return self._max_length
        from backends.model_files.loading import load_config

        has_config = (self._source.folder / "config.json").is_file()
        code = self._trust_remote_code
        config = load_config(self._source, trust_remote_code=code) if has_config else None
        return resolve_max_length(config, self.tokenizer) - self._spare

    @property
    def identity(self) -> str:
        """What decides the tokens and how chats are rendered."""
        return tokenizer_identity(self._source, Digests(self._home), with_code=self._trust_remote_code)

    @property
    def template(self) -> str | None:
        """The text of the chat template, if there is one."""
        return template_of(self.tokenizer, self._name)

    def prompts(self, texts: Sequence[str], max_tokens: Sequence[int]) -> list[CutText]:
        """The tokens of each text, its last ones where all leave no room for the tokens of its answer.

        Raises BackendError where an answer leaves no room for a prompt.
        """
        if texts and max(max_tokens) >= self.max_length:
            raise BackendError(
                f"the answer leaves no room for a prompt in the model's max_length of {self.max_length}; "
                "lower max_gen_toks"
            )
        encoded = self.tokenization.encode(texts)
        return [
            CutText.of(encoded[text] or (self.tokenization.prefix,), self.max_length - most)
            for text, most in zip(texts, max_tokens, strict=True)
        ]

    def rendered(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        """Messages through the tokenizer's chat template."""
        return rendered_chat(self.tokenizer, self._name, messages, continue_final=continue_final)

    @cached_property
    def _source(self) -> ModelSource:
        return locate(self._name, self._revision, "tokenizer_config.json")


def tokens_of(name: str | None, max_length: int | None, home: Path | None) -> EndpointTokens | None:
    """The tokenizer that the options name, if they name one."""
    return None if name is None else EndpointTokens(name, max_length, home)
