"""OpenAI's completions: texts that go on, and log-probabilities of a prompt that is echoed.

Source of the way to log-likelihoods: lm-evaluation-harness 0.4.13, `LocalCompletionsAPI`: the prompt is
echoed with its log-probabilities, and the one token that must be generated is left out.
"""

from dataclasses import dataclass
from functools import partial

from backends.endpoints.echo import echoed_score
from backends.endpoints.endings import ending_of
from backends.endpoints.message_reading import thinking_in
from backends.endpoints.openai_body import ChoiceStream, choice_of, sampling
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import Content, NotOffered, Question, Say, text_at, unsaid
from backends.endpoints.response_reading import Written, scored, text_response
from backends.endpoints.scored_prompt import Scoring
from backends.endpoints.usage_reading import taken, usage_of
from backends.money.counts import Count
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
        body = {"model": self.model, "prompt": prompt.prompt, **how}
        took = partial(taken, prompt.prompt_bytes, prompt.max_tokens, usage_of)
        return Question(self.path, body, read, took, stream)


def _read_text(prompt_bytes: int, settings: Settings, content: Content, say: Say = unsaid) -> Response:
    choice = choice_of(content)
    text, thinking = text_at(choice, "text"), thinking_in(choice)
    ending = ending_of(choice.get("finish_reason"), say)
    count = Count.of(usage_of(content), prompt_bytes, (thinking or "") + text, settings.max_tokens)
    written = Written(text, ending, count, thinking, model=str(content.get("model") or ""))
    return text_response(written, settings, say)


def _read_score(scoring: Scoring, content: Content, say: Say = unsaid) -> Response:
    choice = choice_of(content)
    if choice.get("finish_reason") is not None:
        ending_of(choice["finish_reason"], say)
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict) or logprobs.get("token_logprobs") is None:
        raise NotOffered("the answer has no log-probabilities of the prompt: echo is not supported there")
    logprob, is_greedy = echoed_score(scoring, logprobs)
    count = Count.of(usage_of(content), scoring.prompt_bytes, "", 1)
    return scored(logprob, is_greedy, count, str(content.get("model") or ""))


class _TextStream(ChoiceStream):
    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def _begin(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []

    def _add_choice(self, choice: Content) -> bool:
        text = text_at(choice, "text") if choice.get("text") else ""
        thought = thinking_in(choice) or ""
        self._texts.append(text)
        self._thoughts.append(thought)
        return bool(text or thought)

    def _choice(self) -> Content:
        return {"text": "".join(self._texts), "reasoning": "".join(self._thoughts)}
