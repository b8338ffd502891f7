"""How an answer ended, in the words that endpoints have for it.

Sources: the references of OpenAI, Azure, Anthropic, Gemini, Bedrock, Cohere, Mistral, DeepSeek, Zhipu,
Together, watsonx, OpenRouter, TGI, vLLM, SGLang, llama.cpp and LM Studio. Words are compared by their letters
alone, so that `MAX_TOKENS`, `maxTokens` and `max_tokens` are one.
"""

from collections.abc import Mapping
from typing import Any, Literal

from backends.endpoints.question import GaveUp, Say

# whole: the model ended it, or a stop sequence. limit: it was cut off at a number of tokens. filtered: the
# model, or who offers it, declined to say it, or the rest of it.
Ending = Literal["whole", "limit", "filtered"]

_WORDS: Mapping[Ending, str] = {
    "whole": (
        "stop stopped eos eos_token eos_found end_of_text endoftext end_turn end_of_turn stop_sequence "
        "stop_string stop_string_found stop_criteria_met stop_token complete completed finish finished done "
        "normal tool_calls tool_call tool_use function_call"
    ),
    "limit": (
        "length limit max_tokens max_token max_length max_output_tokens max_new_tokens max_completion_tokens "
        "max_predicted_tokens_reached max_tokens_reached token_limit token_limit_reached model_length "
        "context_length context_length_reached context_length_exceeded context_window_exceeded "
        "model_context_window_exceeded max_context_length"
    ),
    "filtered": (
        "content_filter content_filtered content_filtering content_policy content_policy_violation filter "
        "filtered refusal refused safety image_safety safety_filter guardrail guardrails "
        "guardrail_intervened blocked blocklist prohibited_content spii recitation sensitive moderation "
        "moderated flagged error_toxic censored data_inspection_failed"
    ),
}


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))


_ENDINGS: Mapping[str, Ending] = {
    _letters(word): ending for ending, words in _WORDS.items() for word in words.split()
}


def ending_of(reason: object, say: Say) -> Ending:
    """What a reason amounts to. None is taken for the end of a whole answer, which is said.

    Raises GaveUp for every word that is not known to end an answer: what came is a part of one at best.
    """
    if isinstance(reason, Mapping):  # as SGLang writes it, with what matched
        reason = reason.get("type")
    if reason is None or reason == "":
        say("its answers do not say why they ended: they are taken for whole")
        return "whole"
    # As an enumeration is written that nobody turned into a word: `FinishReason.STOP`; or with what it was
    # that was filtered: `content_filter: hate`.
    word = str(reason).partition(":")[0].rpartition(".")[2]
    ending = _ENDINGS.get(_letters(word))
    if ending is None:
        raise GaveUp(f"the answer did not come to its end: it ended by {reason!r}")
    return ending


def check_choice(choice: Mapping[str, Any]) -> None:
    """Raises GaveUp where an error stands beside what was said."""
    error = choice.get("error")
    if not error:
        return
    told = error if isinstance(error, Mapping) else {"message": error}
    message = told.get("message") or told.get("code") or error
    raise GaveUp(f"the answer did not come to its end: {message}", code=str(told.get("code") or ""))
