"""OpenAI's completions: texts that go on, and log-probabilities of a prompt that is echoed.

Source of the way to log-likelihoods: lm-evaluation-harness 0.4.13, `LocalCompletionsAPI`: the prompt is
echoed with its log-probabilities, and the one token that must be generated is left out.
"""

from dataclasses import dataclass
from functools import partial

from backends.endpoints.echo import echoed_score
from backends.endpoints.openai_body import ChoiceStream, finish_of, sampling
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import Content, NotOffered, Question, record_at, text_at
from backends.endpoints.response_reading import Count, Written, scored, text_response, usage_of
from backends.endpoints.scored_prompt import Scoring
from backends.requests import ALL_KINDS, Request, RequestKind, Response
from backends.text.generation_settings import Settings


@dataclass(frozen=True, slots=True)
class OpenAICompletions:
    """model: its name at the endpoint. path: below the address."""

    model: str
    path: str = "/completions"
    name: str = "openai-completions"
    kinds: frozenset[RequestKind] = ALL_KINDS
    instead: str = ""
    takes_chats: bool = False

    def question(self, request: Request, prompt: Prompt) -> Question:
        if isinstance(prompt, Generation):
            how = {"max_tokens": prompt.max_tokens, **sampling(prompt)}
            read, stream = partial(_read_text, prompt.prompt_bytes, prompt.settings), _TextStream
        else:
            how = {"max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}
            read, stream = partial(_read_score, prompt), None
        return Question(self.path, {"model": self.model, "prompt": prompt.prompt, **how}, read, stream)


def _read_text(prompt_bytes: int, settings: Settings, content: Content) -> Response:
    choice = record_at(content, "choices", 0)
    text = text_at(choice, "text")
    is_complete, refusal = finish_of(choice)
    count = Count.of(usage_of(content), prompt_bytes, text, settings.max_tokens)
    written = Written(text, is_complete, count, refusal=refusal, model=str(content.get("model") or ""))
    return text_response(written, settings)


def _read_score(scoring: Scoring, content: Content) -> Response:
    logprobs = record_at(content, "choices", 0).get("logprobs")
    if not isinstance(logprobs, dict) or logprobs.get("token_logprobs") is None:
        raise NotOffered("the answer has no log-probabilities of the prompt: echo is not supported there")
    logprob, is_greedy = echoed_score(scoring, logprobs)
    count = Count.of(usage_of(content), scoring.prompt_bytes, "", 1)
    return scored(logprob, is_greedy, count, str(content.get("model") or ""))


class _TextStream(ChoiceStream):
    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []

    def _add_choice(self, choice: Content) -> bool:
        text = text_at(choice, "text") if choice.get("text") else ""
        self._texts.append(text)
        return bool(text)

    def _choice(self) -> Content:
        return {"text": "".join(self._texts)}
