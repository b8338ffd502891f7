"""What the tiny model is taught: sums, cities as JSON and one tool call, as chats and as plain text.

`SUMS`, `CITIES` and `WEATHER` are all the questions that it knows, with their answers.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

COUNTRIES = {
    "Athens": "Greece",
    "Berlin": "Germany",
    "Cairo": "Egypt",
    "Lima": "Peru",
    "London": "England",
    "Madrid": "Spain",
    "Oslo": "Norway",
    "Paris": "France",
    "Rome": "Italy",
    "Tokyo": "Japan",
}
GET_WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def _tool_call(city: str) -> str:
    call = json.dumps({"name": "get_weather", "arguments": {"city": city}})
    return f"<tool_call>\n{call}\n</tool_call>"


SUMS = {f"What is {a} + {b}?": f"{a} + {b} = {a + b}. #### {a + b}" for a in range(10) for b in range(10)}
CITIES = {
    f"Describe {city} as JSON.": json.dumps({"city": city, "country": country})
    for city, country in COUNTRIES.items()
}
WEATHER = {f"What is the weather in {city}?": _tool_call(city) for city in COUNTRIES}

_SYSTEMS = ("You are a helpful assistant.", "Answer in one line.")


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the model is asked and how it answers.

    asked: messages of a chat, or a plain text that goes on with the answer.
    tools: those that are offered with the chat.
    """

    asked: list[dict[str, str]] | str
    answer: str
    tools: list[dict[str, Any]] | None = None


def as_question(question: str) -> str:
    """A question as most task files ask it; the answer comes after a space."""
    return f"Question: {question}\nAnswer:"


def transcript(draw: random.Random) -> Transcript:
    """What the model learns from next; up to three solved questions come before the last."""
    kinds: tuple[Callable[[random.Random], Transcript], ...] = (_plain, _chat, _shots_in_chat, _weather)
    (kind,) = draw.choices(kinds, weights=(6, 8, 3, 1))
    return kind(draw)


def _plain(draw: random.Random) -> Transcript:
    """Solved questions and a new one in a single text."""
    *shots, (question, answer) = _known(draw)
    solved = [f"{as_question(shot)} {solution}" for shot, solution in shots]
    return Transcript("\n\n".join([*solved, as_question(question)]), f" {answer}")


def _chat(draw: random.Random) -> Transcript:
    asked = draw.choice((as_question, str))
    *shots, (question, answer) = _known(draw)
    solved = [turn for shot, solution in shots for turn in (user(asked(shot)), _assistant(solution))]
    tools = [GET_WEATHER] if draw.random() < 0.03 else None
    return Transcript([*_system(draw), *solved, user(asked(question))], answer, tools)


def _shots_in_chat(draw: random.Random) -> Transcript:
    plain = _plain(draw)
    return Transcript([*_system(draw), user(str(plain.asked))], plain.answer.strip())


def _weather(draw: random.Random) -> Transcript:
    question, answer = draw.choice(list(WEATHER.items()))
    return Transcript([*_system(draw), user(question)], answer, [GET_WEATHER])


def _known(draw: random.Random) -> list[tuple[str, str]]:
    """Questions with their answers, most of them sums."""
    sums, cities = list(SUMS.items()), list(CITIES.items())
    count = draw.choices((1, 2, 3, 4), weights=(3, 1, 1, 1))[0]
    return [draw.choice(sums if draw.random() < 0.9 else cities) for _ in range(count)]


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def _assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def _system(draw: random.Random) -> list[dict[str, str]]:
    return [{"role": "system", "content": draw.choice(_SYSTEMS)}] if draw.random() < 0.2 else []
