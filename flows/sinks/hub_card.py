"""The card of a dataset repository of runs: its configurations for `datasets`, and each model's scores.

A repository holds

    README.md                                this card
    results/<model>/<run>.json               the results of a run
    samples/<model>/<run>/<task>.parquet     the samples of one of its tasks
    model-index/<model>/<run>.yaml           the scores as a model's card has them

Each task is a configuration, each run a split of it, and `latest` the newest run. What others wrote on the
card stays there.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import yaml

from flows.common.json_object import JsonObject
from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult
from flows.results.remarks import about_scores
from flows.sinks.content import model_name, run_id

_FRONT = re.compile(r"\A---\n(?P<yaml>.*?)^---\n?", re.DOTALL | re.MULTILINE)
_SECTION = r"<!-- assay {model} (?P<run>\S+) -->\n.*?<!-- /assay -->\n"
_INTRODUCTION = """# Evaluations

Runs of Assay. Each task is a configuration, with a split for each run and `latest` for the newest:

```python
from datasets import load_dataset

samples = load_dataset("{repository}", "{task}", split="latest")
```

The columns `doc`, `target`, `arguments`, `resps` and `filtered_resps` are JSON.
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A card that is changed by a run.

    before: the card's text, "" where there is none. paths: all files of the repository, the run's too.
    """

    repository: str
    before: str
    paths: Iterable[str]

    def with_run(self, result: EvaluationResult, columns: Mapping[str, pa.Schema]) -> str:
        """The card's text with a run. columns: of the run's samples, by configuration.

        Raises ValueError where the card's YAML cannot be read.
        """
        front = _FRONT.match(self.before)
        metadata: JsonObject = _read(front["yaml"]) if front else {"tags": ["assay", "evaluation"]}
        body = self.before[front.end() :] if front else self.before
        metadata["configs"] = _configurations(self.paths)
        metadata["dataset_info"] = _features(metadata.get("dataset_info", []), columns)
        body = body or "\n" + _INTRODUCTION.format(repository=self.repository, task=min(columns, default=""))
        text = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=1000)
        return f"---\n{text}---\n{_with_section(body, result)}"


def _read(text: str) -> JsonObject:
    try:
        metadata = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"README.md: {' '.join(str(error).split())}") from error
    if not isinstance(metadata, dict):
        raise ValueError("README.md: what is between the lines --- must be keys and values")
    return metadata


def split_name(run: str) -> str:
    """A run as `datasets` lets a split be called."""
    return re.sub(r"\W", "_", run)


def _configurations(paths: Iterable[str]) -> list[JsonObject]:
    tasks: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        match path.split("/"):
            case ["samples", _, run, file] if file.endswith(".parquet"):
                tasks[file.removesuffix(".parquet")][run] = path
    return [
        {
            "config_name": task,
            "data_files": _splits(runs),
        }
        for task, runs in sorted(tasks.items())
    ]


def _splits(runs: Mapping[str, str]) -> list[dict[str, str]]:
    newest_first = sorted(runs, reverse=True)
    named = [{"split": split_name(run), "path": runs[run]} for run in newest_first]
    return [{"split": "latest", "path": runs[newest_first[0]]}, *named]


def _features(before: list[JsonObject], columns: Mapping[str, pa.Schema]) -> list[JsonObject]:
    """All columns that any run of a task has: `datasets` reads what a run lacks as null."""
    known = {info["config_name"]: _types(info["features"]) for info in before}
    for task, schema in columns.items():
        own = {field.name: {"double": "float64"}.get(str(field.type), str(field.type)) for field in schema}
        all_runs = known.setdefault(task, {})
        for name, dtype in own.items():
            all_runs[name] = dtype if all_runs.get(name, dtype) == dtype else "string"
    return [
        {"config_name": task, "features": [{"name": name, "dtype": dtype} for name, dtype in own.items()]}
        for task, own in sorted(known.items())
    ]


def _types(features: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {feature["name"]: feature["dtype"] for feature in features}


def _with_section(body: str, result: EvaluationResult) -> str:
    """The text with the model's scores, unless it has those of a newer run."""
    found = re.search(_SECTION.format(model=re.escape(model_name(result))), body, re.DOTALL)
    if found is None:
        return f"{body.rstrip()}\n\n{_section(result)}"
    if found["run"] > run_id(result):
        return body
    return body[: found.start()] + _section(result) + body[found.end() :]


def _section(result: EvaluationResult) -> str:
    model, run = model_name(result), run_id(result)
    below = about_scores(result.record)
    if result.failures:
        below.append(f"No score: {', '.join(result.failures)}.")
    lines = [
        f"<!-- assay {model} {run} -->",
        f"## {model}",
        f"Run [{run}](results/{model}/{run}.json) of {result.record.date[:10]}:",
        score_table.markdown(result.record),
        *below,
    ]
    return "\n\n".join(lines) + "\n\n<!-- /assay -->\n"
