"""What a model wrote, parted into its thinking and its answer.

The generation parameter `end_of_thinking` (`</think>`) is the mark between the two. Source of the rules:
lm-evaluation-harness 0.4.13, `postprocess_generated_text` and `VLLM.generate_until` (`think_end_token`): the
answer follows the last mark, without leading white space, and stop sequences act in it alone. Different here:
a text that was cut off before its mark is no answer. Answers begin the same where whoever was asked has put
the thinking apart already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backends.requests import Response

PARAMETER = "end_of_thinking"

# The part of a text before its first stop sequence.
Cut = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Parts:
    """thinking: the text before the mark, or all of one that was cut off before a mark; None for a model that
    did not think. answer: what follows, before the first stop sequence. stopped: whether there was one.
    cut_while_thinking: whether it was cut off before a mark, so that the answer is empty."""

    thinking: str | None
    answer: str
    stopped: bool = False
    cut_while_thinking: bool = False


def split_thinking(text: str, mark: str, cut: Cut) -> tuple[str, str | None]:
    """The text before the mark and after it; None after it where there is no mark.

    What follows a mark up to the next one is thinking too, unless a stop sequence is in it.
    """
    thinking, *rest = text.split(mark)
    for number, part in enumerate(rest, start=1):
        answer = part.lstrip()
        if number == len(rest) or cut(answer) != answer:
            return thinking, answer
        thinking += mark + part
    return thinking, None


def parts_of(text: str, mark: str | None, cut: Cut, *, complete: bool) -> Parts:
    """Read all that was written, special tokens left out.

    complete: whether the text ended by itself and not at a limit. One that did and has no mark is an answer
    without thinking; one that did not was cut off while the model was thinking.
    """
    thinking: str | None = None
    answer: str | None = text
    if mark:
        thinking, answer = split_thinking(text, mark, cut)
    if answer is None and not complete:
        return Parts(thinking, "", cut_while_thinking=True)
    if answer is None:
        thinking, answer = None, text.lstrip()
    kept = cut(answer)
    return Parts(thinking, kept, stopped=kept != answer)


def parts_after(thinking: str, text: str, cut: Cut) -> Parts:
    """Read what was written after a thinking that is apart already.

    Where that is nothing the answer had not begun, however the end is called: whoever looks for stop
    sequences in all of a text finds them in its thinking too.
    """
    answer = text.lstrip()
    kept = cut(answer)
    return Parts(thinking, kept, stopped=kept != answer, cut_while_thinking=not answer)


def without_thinking(response: Response, generation: Mapping[str, Any], cut: Cut) -> Response:
    """A response whose text is all that was written, or all that follows its thinking, as an answer."""
    if response.text is None:
        return response
    if response.thinking is None:
        is_complete = response.status != "truncated"
        parts = parts_of(response.text, generation.get(PARAMETER), cut, complete=is_complete)
    else:
        parts = parts_after(response.thinking, response.text, cut)
    is_cut = response.cut_while_thinking or parts.cut_while_thinking
    return replace(
        response,
        status="truncated" if is_cut and response.status == "answer" else response.status,
        text=parts.answer,
        thinking=parts.thinking,
        cut_while_thinking=is_cut,
    )


def thinking_as_answer(response: Response, cut: Cut) -> Response:
    """A text that was cut off while the model was thinking read as lm-eval reads it: as its answer."""
    if not response.cut_while_thinking:
        return response
    return replace(response, text=cut((response.thinking or "").lstrip()))
