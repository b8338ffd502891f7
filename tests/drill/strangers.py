"""Attacks of files that strangers made: tasks, data, records and folders of runs."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from tests.drill.attack import Attack, Try
from tests.support.lab import Finished, Lab
from tests.support.pictures import picture, write_parquet

SECTION = "files of strangers"
Change = Callable[[dict[str, Any]], Any]
RUNAWAY = "a" * 40 + "!"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\nfailed: none"

TEMPLATES: Mapping[str, str] = {
    "save": "{{ image.save(question, format='PPM') }}",
    "item": "{{ image['save'](question, format='PPM') }}",
    "attr": "{{ (image|attr('save'))(question, format='PPM') }}",
    "map": "{{ ([image]|map(attribute='save')|first)(question, format='PPM') }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch ' ~ question) }}",
    "lipsum": "{{ lipsum.__globals__['os'].system('touch ' ~ question) }}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "format": "{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
    "format_map": "{{ '{a.__class__.__mro__}'.format_map({'a': image}) }}",
    "include": "{% include '/etc/passwd' %}",
    "context": "{{ self._TemplateReference__context.environment.overlay() }}",
}
SECRETS: Mapping[str, Mapping[str, object]] = {
    "text": {"dataset_path": "text", "dataset_kwargs": {"data_files": {"test": "FILE"}}},
    "csv": {"dataset_path": "csv", "dataset_kwargs": {"data_files": {"test": "FILE"}, "sep": "\t"}},
    "up": {"dataset_path": "text", "dataset_kwargs": {"data_files": {"test": "../data/../secret.txt"}}},
    "address": {"dataset_path": "text", "dataset_kwargs": {"data_files": {"test": "file://FILE"}}},
    "link": {"dataset_path": "text", "dataset_kwargs": {"data_files": {"test": "link.txt"}}},
    "folder": {"dataset_path": "FOLDER"},
    "cache": {"dataset_kwargs": {"cache_dir": "FOLDER/written"}},
}
TOO_MUCH: Mapping[str, Mapping[str, object]] = {
    "text": {"doc_to_text": "{{ 'a' * 3000000000 }}"},
    "padding": {"doc_to_text": "{{ '%3000000000s' % question }}"},
    "loops": {
        "doc_to_text": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    },
    "filter": {
        "filter_list": [
            {
                "name": "f",
                "filter": [
                    {"function": "regex", "regex_pattern": "(a+)+$"},
                    {"function": "take_first"},
                ],
            }
        ]
    },
}

WAYS_TO_SHOW: Mapping[str, Sequence[str]] = {
    "table": (),
    "list": ("--list-tasks=sev*",),
    "check": ("--check-tasks=sev*",),
}


def templates(lab: Lab) -> Iterator[Try]:
    """Templates that want to call what a document holds, or to leave Jinja's sandbox."""
    for name, text in TEMPLATES.items():
        lab.add_texts(name, 1, doc_to_text=text)
        row = {"question": str(lab.home / f"by-{name}"), "answer": "1", "image": picture()}
        write_parquet(lab.data / name / "default" / "test.parquet", [row], "image")
        (lab.data / name / "default" / "test.jsonl").unlink()
    ended = lab.run(tasks=",".join(TEMPLATES))
    for name in TEMPLATES:
        held = not (lab.home / f"by-{name}").exists() and f"failed: {name}" in ended.errors
        yield Try(name, held, ended.errors)


def other_files(lab: Lab) -> Iterator[Try]:
    """Task files whose documents are files that they have no business with."""
    elsewhere = lab.home.parent / "elsewhere"
    elsewhere.mkdir()
    secret = elsewhere / "secret.txt"
    secret.write_text("SECRET\n")
    (lab.tasks / "link.txt").symlink_to(secret)
    for name, keys in SECRETS.items():
        lab.add_texts(name, 1, doc_to_text="{{text}}")
        told = json.dumps(keys).replace("FILE", str(secret)).replace("FOLDER", str(elsewhere))
        lab.edit_task(name, **json.loads(told))
        ended = lab.run(tasks=name)
        yield Try(name, _failed(ended) and not (elsewhere / "written").exists(), ended.errors + ended.out)


def too_much(lab: Lab) -> Iterator[Try]:
    """Templates and filters that would take all time or memory; a task beside each gets its score."""
    lab.add_texts("sums", 2)
    answers = lab.home / "answers.json"
    answers.write_text(json.dumps({"*": RUNAWAY}))
    for name, keys in TOO_MUCH.items():
        lab.add_texts(name, 1, **keys)
    ended = lab.run("--doc-seconds=2", tasks=",".join(["sums", *TOO_MUCH]), model=f"scripted:{answers}")
    is_scored = "sums" in lab.last["results"]
    for name in TOO_MUCH:
        yield Try(name, is_scored and f"failed: {name}" in ended.errors, ended.errors)


def local_metrics(lab: Lab) -> Iterator[Try]:
    """A metric named like a folder of Python in the folder where a run is started."""
    folder = lab.home.parent / "repository" / "accurate"
    folder.mkdir(parents=True)
    marker = lab.home / "ran"
    (folder / "accurate.py").write_text(f"open({str(marker)!r}, 'w')\n")
    metric = {"metric": "accurate", "hf_evaluate": True, "aggregation": "mean"}
    lab.add_texts("sums", 1, metric_list=[metric])
    ended = lab.run(tasks="sums", through=("/usr/bin/env", "-C", str(folder.parent), sys.executable))
    yield Try("hf_evaluate", _failed(ended) and not marker.exists(), ended.errors)


def records(lab: Lab) -> Iterator[Try]:
    """Records of finished steps that name a function to call, another serializer, or a file elsewhere."""
    lab.add_texts("sums", 2)
    lab.run(tasks="sums")
    marker = lab.home / "ran"
    for name, change in _changes(f"touch {marker}").items():
        found = [file for file in (lab.home / "steps" / "finished").rglob("*") if file.is_file()]
        assert found
        for file in found:
            file.write_text(json.dumps(change(json.loads(file.read_text()))))
        ended = lab.run(tasks="sums")
        held = ended.status in (0, 1, 2) and not marker.exists() and "Traceback" not in ended.errors
        yield Try(name, held, ended.errors)


def _changes(command: str) -> Mapping[str, Change]:
    """What is made of a record so that whoever reads it runs a command, or fails."""
    call = {"__class__": "subprocess.getoutput", "data": {"cmd": command}}
    pickled = {"serializer": {"type": "pickle"}}
    return {
        "call": lambda record: {**record, "result": json.dumps(call)},
        "called as it is": lambda record: {**record, "result": call},
        "pickle": lambda record: {**record, "metadata": {**record["metadata"], **pickled}},
        "up": lambda record: json.loads(json.dumps(record).replace("prepared/", "../../prepared/")),
        "another shape": lambda record: {"what": [record]},
    }


def escapes(lab: Lab) -> Iterator[Try]:
    """Names, answers and messages that would write elsewhere on the screen."""
    lab.add_texts("sums", 1, task_alias=ESCAPES, tag=["numbers"])
    (lab.tasks / "group.yaml").write_text(
        yaml.safe_dump({"group": "several", "group_alias": ESCAPES, "task": ["sums"]})
    )
    for name, flags in WAYS_TO_SHOW.items():
        ended = lab.run(*flags, tasks="several")
        said = ended.out + ended.errors
        yield Try(name, not any(sign in said for sign in "\x1b\x07\u202e"), repr(said))


def _failed(ended: Finished) -> bool:
    return ended.status in (1, 2) and "Traceback" not in ended.errors and "SECRET" not in ended.out


ATTACKS = (
    Attack(SECTION, "templates that call methods", templates),
    Attack(SECTION, "documents out of other files", other_files),
    Attack(SECTION, "templates and filters without end", too_much),
    Attack(SECTION, "a metric of the current folder", local_metrics),
    Attack(SECTION, "records that name what to call", records),
    Attack(SECTION, "terminal escapes", escapes),
)
