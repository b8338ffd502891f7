"""Parameters that an endpoint does not take, as reasoning models do not: found out by its refusals.

Sources of the wordings: OpenAI, Azure, Anthropic, Mistral, xAI, Groq, Gemini, Bedrock, vLLM, litellm.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from backends.calls.failure import Failure
from backends.endpoints.question import Say

# What is left out, and what that means.
_OWN_WAY = "answers are drawn as the model does by itself, and may be others in another run"
_LEFT_OUT: Mapping[str, str] = {
    "temperature": _OWN_WAY,
    "top_p": _OWN_WAY,
    "seed": "answers that are drawn will be others in another run",
    "stop": "stop sequences are looked for in what came",
    "stop_sequences": "stop sequences are looked for in what came",
    "stream_options": "the tokens of streamed answers are estimated",
}
# The limit of an answer, which goes by two names.
_RENAMED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_STATUSES = frozenset((400, 422))
_CODES = frozenset(
    (
        "unsupported_parameter",
        "unsupported_value",
        "unknown_parameter",
        "extra_forbidden",
        "param_unsupported",
    )
)
_REFUSED = re.compile(
    r"unsupported|not? support|n't support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|"
    r"not accept|deprecated|extraneous|extra_forbidden|only the default|not available|invalid parameter|"
    r"cannot (?:be )?(?:set|used?|specif)|may only be|must be (?:unset|omitted)|incompatible|fixed (?:at|to)",
    re.IGNORECASE,
)


class Parameters:
    """What of each body is left out or renamed; on the engine's loop only.

    say: told of each, once. given: keys that the user adds to each body, who knows best.
    """

    def __init__(self, say: Say, given: Mapping[str, Any]) -> None:
        self._say = say
        self._given = given
        self._names: dict[str, str | None] = {}

    def applied(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A body as the endpoint takes it, as far as that is known."""
        if not self._names:
            return body
        names = ((self._names.get(name, name), value) for name, value in body.items())
        return {name: value for name, value in names if name is not None}

    def learn(self, failure: Failure, body: Collection[str]) -> bool:
        """Whether the same question may be asked without what a refusal of it is about. body: its keys."""
        name = refused_name(failure, body)
        if name is None or name in self._given:
            return False
        if name in self._names:
            return self._names[name] not in body  # it was learned while this body was under way
        if name in _LEFT_OUT:
            self._names[name] = None
            self._say(f"{name} is not taken and left out: {_LEFT_OUT[name]}")
            return True
        other = _RENAMED.get(name)
        if other is None or other in self._names:
            return False
        self._names[name] = other
        self._say(f"{name} is not taken: it is sent as {other}")
        return True


def advised(failure: Failure, body: Collection[str]) -> Failure:
    """The failure, whose message says how to leave out a parameter that is refused."""
    name = refused_name(failure, body)
    if name is None or name == "model":
        return failure
    return replace(failure, message=f'{failure.message} (extra_body={{"{name}": null}} leaves it out)')


def refused_name(failure: Failure, body: Collection[str]) -> str | None:
    """The key of a body that a refusal says is not taken; None for any other refusal."""
    said = failure.message
    is_refusal = failure.code in _CODES or _REFUSED.search(said)
    if failure.kind != "permanent" or failure.status not in _STATUSES or not is_refusal:
        return None
    named = failure.param.rpartition(".")[2]
    if named in body:
        return named
    words = {_letters(word) for word in re.findall(r"\w+", said)}
    return next((name for name in (*_LEFT_OUT, *_RENAMED) if name in body and _letters(name) in words), None)


def _letters(word: str) -> str:
    """A name as it is compared: `topP` is `top_p`."""
    return word.replace("_", "").casefold()
