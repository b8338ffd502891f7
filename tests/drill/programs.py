"""Attacks of programs that a model wrote, as answers to HumanEval's task with problems of the drill's own."""

import json
import os
from collections.abc import Iterator, Mapping
from textwrap import indent

import psutil

from flows.results.evaluation_result import EvaluationResult
from tests.drill.attack import Attack, Try
from tests.drill.keys import KEY, listening
from tests.metrics.program_tests.programs import CHEATS, TESTS_OF_CHEATS
from tests.support.lab import Lab

SECTION = "programs that a model writes"
HONEST = "def solve(x): return [one * one for one in x] if isinstance(x, list) else x * x"

# Solutions that are right where they get at what is not theirs.
THEFTS: Mapping[str, str] = {
    "environments": """
import glob
found = b""
for one in glob.glob("/proc/[0-9]*/environ"):
    try:
        found += open(one, "rb").read()
    except OSError:
        pass
got = b"KEY" in found
""",
    "passwords": "got = bool(open('/etc/shadow').read())",
    "a home": "import os\ngot = bool(os.listdir('HOME'))",
    "a store": "got = open('HOME/responses.sqlite', 'rb').read(6) == b'SQLite'",
    "a file elsewhere": "open('HOME/written', 'w').write('x')\ngot = True",
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 2)\ngot = True",
    "other processes": "import os\ngot = os.path.exists('/proc/PID')",
}
DAEMON = """
import posix
if not posix.fork():
    posix.setsid()
    if not posix.fork():
        posix.execv("/bin/sh", ["SIGN", "-c", "sleep 600"])
    posix._exit(0)
"""


def forged_verdicts(lab: Lab) -> Iterator[Try]:
    """Programs that would pass without solving anything, or take the score from the one that does."""
    passed = _passed(lab, {**CHEATS, "honest": HONEST})
    yield Try("the honest one beside them", passed.pop("honest"))
    for name, has_passed in passed.items():
        yield Try(name, not has_passed)


def thefts(lab: Lab) -> Iterator[Try]:
    """Programs that read, write and call what is not theirs."""
    with listening() as (port, _):
        told = {"HOME": str(lab.home), "PORT": str(port), "PID": str(os.getpid())}
        bodies = dict(THEFTS)
        for name, value in told.items():
            bodies = {what: body.replace(name, value) for what, body in bodies.items()}
        right = f"{HONEST} if got else None"
        for name, has_passed in _passed(
            lab, {what: f"{body}\n{right}" for what, body in bodies.items()}
        ).items():
            yield Try(name, not has_passed)
    yield Try("nothing is written", not (lab.home / "written").exists())


def survivors(lab: Lab) -> Iterator[Try]:
    """Programs that start others, which stay."""
    sign = f"assay-drill-survivor-{os.getpid()}"
    _passed(lab, {"a daemon": DAEMON.replace("SIGN", sign) + HONEST})
    left = [one.pid for one in psutil.process_iter() if _is_called(one, sign)]
    yield Try("what stays", not left, str(left))


def _passed(lab: Lab, programs: Mapping[str, str]) -> dict[str, bool]:
    """Whether each program passes, as an answer in one run of all."""
    rows, answers = [], {}
    for number, program in enumerate(programs.values()):
        # HumanEval cuts an answer where a line begins with a definition.
        prompt = f"if {number} >= 0:\n"
        rows.append({"prompt": prompt, "test": TESTS_OF_CHEATS, "entry_point": "solve"})
        answers[prompt] = indent(program.strip("\n"), "    ") + "\n"
    lab.write_data("openai/openai_humaneval", rows)
    told = lab.home / "answers.json"
    told.write_text(json.dumps(answers))
    ended = lab.run(tasks="humaneval", model=f"scripted:{told}", MY_API_KEY=KEY)
    assert ended.status == 0, ended.errors
    newest = max(lab.results.glob("*/*"), key=lambda folder: folder.stat().st_mtime_ns)
    samples = EvaluationResult.open(str(newest)).samples("humaneval").sort_values("doc_id")
    return {name: value > 0 for name, value in zip(programs, samples["pass@1"], strict=True)}


def _is_called(process: psutil.Process, sign: str) -> bool:
    try:
        return sign in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


ATTACKS = (
    Attack(SECTION, "verdicts that programs write", forged_verdicts),
    Attack(SECTION, "what programs read, write and call", thefts),
    Attack(SECTION, "processes that stay", survivors),
)
