"""How users say where shards are asked: `local`, `dask:tcp://host:8786`, `ray:auto?gpus=1`, `pool:NAME`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from backends.keys import shown

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a runner. options: those it takes, each a number of which `least` is the smallest."""

    pattern: re.Pattern[str]
    options: Mapping[str, float] = field(default_factory=dict)


_RAY = {"workers": 1, "gpus": 0.01}
FORMS = (
    Form(re.compile(r"(?P<engine>local)")),
    Form(re.compile(r"(?P<engine>dask):(?P<address>(tcp|tls)://[^\s/?]+:\d+)")),
    Form(re.compile(r"(?P<engine>dask):(?P<address>local)"), {"workers": 1}),
    Form(re.compile(r"(?P<engine>ray):(?P<address>auto)"), _RAY),
    Form(re.compile(r"(?P<address>(?P<engine>ray)://[^\s/?]+:\d+)"), _RAY),
    Form(re.compile(r"(?P<engine>pool):(?P<address>[^\s/?:]+)"), {"children": 1}),
)
WRITE = "write local, dask:tcp://host:8786, dask:local?workers=4, ray:auto, ray://host:10001 or pool:NAME"


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner as users name it: its engine, where that is, and its options."""

    engine: str
    address: str
    options: Mapping[str, float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The runner of a text. Raises ValueError saying what would be right."""
        head, question, query = text.partition("?")
        for form in FORMS:
            if match := form.pattern.fullmatch(head):
                found = match.groupdict()
                options = _options(query, form) if question else {}
                return cls(found["engine"], found.get("address") or "", options)
        raise ValueError(f"there is no such runner; {WRITE}")

    @property
    def is_local(self) -> bool:
        return self.engine == LOCAL

    @property
    def is_started(self) -> bool:
        """Whether its workers are processes of this machine that are started for the run."""
        return (self.engine, self.address) == ("dask", "local")

    def whole(self, option: str, default: int) -> int:
        """An option that is a whole number."""
        return int(self.options.get(option, default))


def _options(query: str, form: Form) -> dict[str, float]:
    options: dict[str, float] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name not in form.options:
            known = ", ".join(form.options) or "none"
            raise ValueError(f"it has no option {shown(name)}; known: {known}")
        options[name] = _number(name, value, form.options[name])
    return options


def _number(name: str, value: str, least: float) -> float:
    """A whole number where `least` is one, else any."""
    try:
        number = int(value) if isinstance(least, int) else float(value)
    except ValueError:
        number = 0
    if not least <= number < float("inf"):
        raise ValueError(
            f"option {name} wants {'a whole number' if isinstance(least, int) else 'a number'}, "
            f"at least {least:g}"
        )
    return number
