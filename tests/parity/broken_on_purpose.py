"""Each trap and rule of lm-eval's numbers, broken on purpose: whether the parity suite sees it.

    python -m tests.parity.broken_on_purpose [PATTERN] [--stories FOLDER] [--keep FOLDER]

A copy of the project is broken in one place, and asked what `test_traps.py` asks, beside what lm-eval said
once. A break is caught where the task that is named differs. Prints a table; exits with 1 where one is not.
"""

import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.parity import traps
from tests.parity.whole_catalog import surroundings
from tests.support.paths import ROOT, STORIES

FOLDERS = ("backends", "flows", "metrics", "tasks_lib", "tests")
AS_THEY_ARE, ASKED, CHATS, GROUPS = "as they are", "asked for examples", "as chats", "in groups"
BINARY, ALONE, MODEL = "binary choices", "alone", "a real model"


@dataclass(frozen=True)
class Break:
    """A trap or rule, the edit that breaks it (`old` is in the file once), and what must differ then: a task
    of one of the ways of `traps`."""

    what: str
    file: str
    old: str
    new: str
    way: str
    task: str


BUILDER, FEWSHOT = "tasks_lib/prompts/request_builder.py", "tasks_lib/prompts/fewshot.py"
FIELDS, TURNS = "tasks_lib/prompts/fields.py", "tasks_lib/prompts/turns.py"
CHOICES, TEXT, LIKELIHOOD = (
    "metrics/scores/choices.py",
    "metrics/scores/text.py",
    "metrics/scores/likelihood.py",
)
GENERATION, TOKENS = "tasks_lib/prompts/generation_checks.py", "backends/model_files/tokenization.py"
A_FIELD = """    if value in columns:
        return _field(value)
    template = compile_template(value)
    if not has_choices:"""

BREAKS = (
    # traps of prompts
    Break(
        "num_fewshot 0 of a task file stays 0",
        "tasks_lib/ask_options.py",
        "if own == 0 or self.num_fewshot is None:",
        "if self.num_fewshot is None:",
        ASKED,
        "fixed_without_examples",
    ),
    Break(
        "two absent splits are one: the evaluated document is left out",
        BUILDER,
        "told = documents.fewshot_split == self._config.test_split",
        "told = documents.fewshot_split == (self._config.test_split or 0)",
        AS_THEY_ARE,
        "examples_of_an_evaluated_validation_split",
    ),
    Break(
        "one example more is drawn where the evaluated document is left out",
        FEWSHOT,
        "drawn = stream.sample(positions, count + 1)",
        "drawn = stream.sample(positions, count)",
        AS_THEY_ARE,
        "examples_from_the_same_split",
    ),
    Break(
        "one stream of examples for all documents",
        FEWSHOT,
        "        return stream.sample(positions, count)",
        "        return random.Random(seed).sample(positions, count)",
        AS_THEY_ARE,
        "described",
    ),
    Break(
        "an example without an answer has no turn of the assistant",
        TURNS,
        'if answer is None or answer == "":',
        "if answer is None:",
        ASKED,
        "inline_examples",
    ),
    Break(
        "the name of a field is the field",
        FIELDS,
        A_FIELD,
        A_FIELD.replace("columns", "()"),
        AS_THEY_ARE,
        "default_likelihood_metrics",
    ),
    Break(
        "digits are an index only where there are choices",
        FIELDS,
        "if has_choices and text.isdigit():",
        "if text.isdigit():",
        AS_THEY_ARE,
        "digits_as_text",
    ),
    Break(
        "digits are an index where there are choices",
        FIELDS,
        "if has_choices and text.isdigit():",
        "if False:",
        AS_THEY_ARE,
        "choices_by_template",
    ),
    Break(
        "a target in brackets is a list",
        FIELDS,
        'if len(text) >= 2 and text[0] == "[" and text[-1] == "]":',
        "if False:",
        AS_THEY_ARE,
        "targets_by_template",
    ),
    Break(
        "nothing follows a description",
        TURNS,
        'return [Turn("system", system)] if system else []',
        'return [Turn("system", system, delimiters.fewshot)] if system else []',
        AS_THEY_ARE,
        "described",
    ),
    Break(
        "instruction and description are joined without a delimiter at white space",
        TURNS,
        "bool(prefix) and not (prefix[-1].isspace() or suffix[0].isspace())",
        "bool(prefix)",
        ASKED,
        "described",
    ),
    Break(
        "no delimiter before a choice in a chat",
        BUILDER,
        """prefix[-1].isspace()):
            return \"\"""".replace("\\", ""),
        """prefix[-1].isspace()):
            return self._config.target_delimiter""",
        CHATS,
        "default_choice_metrics",
    ),
    Break(
        "generation parameters where a task names none",
        GENERATION,
        '"max_gen_toks": 256}',
        '"max_gen_toks": 128}',
        AS_THEY_ARE,
        "default_text_metrics",
    ),
    Break(
        "the stop sequence where a task names none",
        GENERATION,
        '{"until": [config.fewshot_delimiter], **own}',
        '{"until": ["\\n"], **own}',
        AS_THEY_ARE,
        "without_stops",
    ),
    Break(
        "generators of a process are seeded with lm-eval's seeds",
        "tasks_lib/code/random_state.py",
        "RANDOM_SEED, NUMPY_SEED = 0, 1234",
        "RANDOM_SEED, NUMPY_SEED = 1, 1234",
        ALONE,
        "drawn_rows",
    ),
    Break(
        "metadata reaches what makes documents",
        "tasks_lib/data/documents.py",
        "options = {**self._config.metadata, **(self._config.dataset_kwargs or {})}",
        'options = {"size": 4, **(self._config.dataset_kwargs or {})}',
        ALONE,
        "drawn_rows",
    ),
    # traps of tokens
    Break(
        "white space at a context's end belongs to the continuation",
        TOKENS,
        "contexts = {prompt: prompt.rstrip() for prompt, _ in started}",
        "contexts = {prompt: prompt for prompt, _ in started}",
        MODEL,
        "after_a_space",
    ),
    Break(
        "BOS before a context",
        TOKENS,
        "True if add_bos_token is None else add_bos_token",
        "False if add_bos_token is None else add_bos_token",
        MODEL,
        "default_choice_metrics",
    ),
    Break(
        "windows are as wide as the model reads",
        TOKENS,
        "width = self.max_length\n",
        "width = self.max_length - 1\n",
        MODEL,
        "rolling_over_windows",
    ),
    Break(
        "the first token of a text is scored, after BOS",
        TOKENS,
        "first = [Query((self.prefix,), tokens[:width])] if tokens else []",
        "first = [Query(tokens[:1], tokens[1:width])] if tokens else []",
        MODEL,
        "rolling_over_windows",
    ),
    Break(
        "stop sequences cut one after the other",
        "backends/text/stop_sequences.py",
        "for stop in stops:",
        "for stop in reversed(stops):",
        MODEL,
        "stops_in_order",
    ),
    # traps of scores
    Break(
        "acc_norm divides by characters, not bytes",
        CHOICES,
        "answered.per_length([len(choice) for choice in answered.choices])",
        "answered.per_length(answered.byte_lengths())",
        AS_THEY_ARE,
        "unicode_choices",
    ),
    Break(
        "acc_norm divides by the choice without its delimiter",
        CHOICES,
        "answered.per_length([len(choice) for choice in answered.choices])",
        "answered.per_length([1 + len(choice) for choice in answered.choices])",
        AS_THEY_ARE,
        "unicode_choices",
    ),
    Break(
        "a mean is that of Python's floats",
        "metrics/aggregates/aggregation.py",
        "return float(sum(items) / len(items))",
        "return float(np.mean(np.asarray(items, dtype=np.float16)))",
        AS_THEY_ARE,
        "default_likelihood_metrics",
    ),
    Break(
        "values are aggregated in the order of the documents",
        "tasks_lib/scoring/scorer.py",
        "    for sample in samples:\n        for metric, value in sample.scores.items():",
        "    for sample in reversed(samples):\n        for metric, value in sample.scores.items():",
        AS_THEY_ARE,
        "own_results",
    ),
    Break(
        "seeds of the bootstrap's chunks",
        "metrics/bootstrap.py",
        "generator = _generator(seed)",
        "generator = _generator(seed + 1)",
        AS_THEY_ARE,
        "medians",
    ),
    Break(
        "the standard error of a group",
        "metrics/aggregates/groups.py",
        "pooled_stderr(known, sizes) if weight_by_size else unweighted_stderr(known)",
        "unweighted_stderr(known)",
        GROUPS,
        "weighted",
    ),
    Break(
        "chrF without words",
        "metrics/aggregates/translation.py",
        'CHRF(word_order=2 if name == "chrf++" else 0)',
        "CHRF(word_order=2)",
        AS_THEY_ARE,
        "translation",
    ),
    Break(
        "the direction of TER",
        "metrics/scores/registry.py",
        'Metric("ter", False, "ter"',
        'Metric("ter", True, "ter"',
        AS_THEY_ARE,
        "translation",
    ),
    Break(
        "exact_match: expressions are removed in their order",
        TEXT,
        "for number, pattern in enumerate(self.patterns):",
        "for number, pattern in enumerate(reversed(self.patterns)):",
        AS_THEY_ARE,
        "regexes_in_order",
    ),
    Break(
        "exact_match: expressions are removed before case",
        TEXT,
        "        for number, pattern in enumerate(self.patterns):",
        "        texts = [text.lower() if self.case else text for text in texts]\n"
        "        for number, pattern in enumerate(self.patterns):",
        AS_THEY_ARE,
        "ignoring",
    ),
    Break(
        "without take_first a metric gets all answers",
        TEXT,
        "    golds = answer.targets\n    share =",
        "    text = answer.text[0] if isinstance(answer.text, list) else answer.text\n"
        "    answer = GeneratedText(answer.gold, text, answer.has_several_targets)\n"
        "    golds = answer.targets\n    share =",
        AS_THEY_ARE,
        "all_to_the_metric",
    ),
    Break(
        "hashes of documents",
        "flows/results/samples_file.py",
        "json.dumps(_readable(doc), indent=2,",
        "json.dumps(_readable(doc), indent=None,",
        AS_THEY_ARE,
        "described",
    ),
    # more rules of scoring
    Break(
        "of equal choices the first counts",
        CHOICES,
        "int(np.argmax(np.asarray(scores)))",
        "len(np.asarray(scores)) - 1 - int(np.argmax(np.asarray(scores)[::-1]))",
        AS_THEY_ARE,
        "ties",
    ),
    Break(
        "acc_mutual_info takes what choices are without the prompt off",
        CHOICES,
        "np.subtract(answered.lls, answered.unconditional)",
        "np.add(answered.lls, answered.unconditional)",
        AS_THEY_ARE,
        "mutual_information",
    ),
    Break(
        "acc_bytes divides by bytes",
        CHOICES,
        "answered.per_length(answered.byte_lengths())",
        "answered.per_length([len(choice) for choice in answered.choices])",
        AS_THEY_ARE,
        "unicode_choices",
    ),
    Break(
        "any of several right choices is right",
        CHOICES,
        "return 1.0 if int(np.argmax(np.asarray(scores))) in self.golds else 0.0",
        "return 1.0 if int(np.argmax(np.asarray(scores))) == self.golds[0] else 0.0",
        AS_THEY_ARE,
        "several_right_choices",
    ),
    Break(
        "one of several targets is enough",
        TEXT,
        "return float(share > 0) if answer.has_several_targets else share",
        "return share",
        AS_THEY_ARE,
        "several_targets",
    ),
    Break(
        "words are what white space separates, also at the ends",
        LIKELIHOOD,
        "len(_SPACES.split(read.text))",
        "len(read.text.split())",
        AS_THEY_ARE,
        "rolling_with_spaces",
    ),
    Break(
        "byte_perplexity counts bytes",
        LIKELIHOOD,
        'return len(text.encode("utf-8", "surrogatepass"))',
        "return len(text)",
        AS_THEY_ARE,
        "default_rolling_metrics",
    ),
    Break(
        "bits, not nats",
        "metrics/aggregates/aggregation.py",
        "return -ratio(items) / math.log(2)",
        "return -ratio(items)",
        AS_THEY_ARE,
        "default_rolling_metrics",
    ),
    Break(
        "the Brier score of the right choice",
        "metrics/aggregates/classification.py",
        "errors[gold] -= 1.0",
        "errors[gold] -= 0.9",
        AS_THEY_ARE,
        "brier",
    ),
    Break(
        "F1 is of label 1",
        "metrics/aggregates/classification.py",
        "gold, predicted = golds == 1, predictions == 1",
        "gold, predicted = golds == 0, predictions == 0",
        BINARY,
        "f1_and_mcc",
    ),
    Break(
        "a standard error divides by n - 1",
        "metrics/statistics/stderr.py",
        "variance = sum((value - middle) ** 2 for value in items) / (len(items) - 1)",
        "variance = sum((value - middle) ** 2 for value in items) / len(items)",
        AS_THEY_ARE,
        "described",
    ),
    Break(
        "a group weighs its tasks by their documents",
        "metrics/aggregates/groups.py",
        "weights = sizes if weight_by_size else [1] * len(values)",
        "weights = [1] * len(values)",
        GROUPS,
        "weighted",
    ),
    Break(
        "the match that a task selects",
        "metrics/filters/filters.py",
        "match = nth_match(found, group_select, \"Filter 'regex'\")",
        "match = nth_match(found, 0, \"Filter 'regex'\")",
        AS_THEY_ARE,
        "repeated",
    ),
)


def caught(one: Break, tree: Path, kept: Path) -> str:
    """The first difference of the task that is named; "" where there is none. Raises where the copy of the
    project does not run, or a break does not fit it any more."""
    file = tree / one.file
    before = file.read_text(encoding="utf-8")
    if before.count(one.old) != 1:
        raise SystemExit(f"{one.what}: {one.file} has `{one.old}` {before.count(one.old)} times, not once")
    file.write_text(before.replace(one.old, one.new), encoding="utf-8")
    try:
        found = _differences(one.way, tree, kept, one.task)
    finally:
        file.write_text(before, encoding="utf-8")
    lines = [
        line for line in found if line.startswith((f"{one.task}, ", f"{one.task} ")) or f"/{one.task}" in line
    ]
    return lines[0] if lines else ""


def _differences(way: str, tree: Path, kept: Path, task: str = "") -> list[str]:
    """What a copy of the project says otherwise than lm-eval, of a task or a whole way, in a process of its
    own."""
    asked = ["--ours", way, "--task", task, "--keep", str(kept)]
    command = [sys.executable, "-m", "tests.parity.broken_on_purpose", *asked]
    done = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith("["):
        return [f"/{task} does not run: {done.stderr.strip().rpartition(chr(10))[2]}" for task in _tasks(way)]
    lines: list[str] = json.loads(last)
    return lines


def _tasks(way: str) -> Sequence[str]:
    return traps.WAYS[way].tasks.split()


def _print_differences(way: str, kept: Path, task: str) -> None:
    with tempfile.TemporaryDirectory() as output:
        _take_a_home_of_its_own(Path(output, "home"))
        said = traps.kept(kept / "said")
        print(json.dumps(traps.differences(said, way, kept, _stories(kept), Path(output), task)))


def _take_a_home_of_its_own(home: Path) -> None:
    """Without steps and answers of runs before, which what is broken would not do again; with their index of
    the catalog."""
    index = Path(os.environ["ASSAY_HOME"], "catalog")
    index.mkdir(parents=True, exist_ok=True)
    home.mkdir()
    (home / "catalog").symlink_to(index)
    os.environ["ASSAY_HOME"] = str(home)


def _stories(kept: Path) -> Path:
    return Path((kept / "stories").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description="Break each trap and rule on purpose.")
    parser.add_argument("pattern", nargs="?", default="*", help="of what is broken, as in a shell")
    parser.add_argument("--stories", type=Path, default=STORIES, help="folder of the stories model")
    parser.add_argument("--keep", type=Path, help="where to keep what lm-eval said, for the next time")
    parser.add_argument("--ours", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        _print_differences(given.ours, given.keep, given.task)
        return
    chosen = [one for one in BREAKS if fnmatch.fnmatch(one.what, given.pattern)]
    with surroundings(), tempfile.TemporaryDirectory() as folder:
        kept = (given.keep or Path(folder, "kept")).absolute()
        tree = _copy(Path(folder, "tree"))
        _let_lm_eval_say(kept, given.stories.absolute())
        missed = _report(chosen, tree, kept)
    sys.exit(1 if missed else 0)


def _copy(tree: Path) -> Path:
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def _let_lm_eval_say(kept: Path, stories: Path) -> None:
    if (kept / "said").exists():
        return
    kept.mkdir(parents=True, exist_ok=True)
    traps.write(kept)
    (kept / "stories").write_text(str(stories))
    traps.keep(traps.lm_evals(kept, list(traps.WAYS), stories), kept / "said")


def _report(chosen: Sequence[Break], tree: Path, kept: Path) -> list[str]:
    """Prints the table; what is not caught."""
    print("| broken | seen as |\n|---|---|", flush=True)
    missed = []
    for way in dict.fromkeys(one.way for one in chosen):
        if found := _differences(way, tree, kept):
            raise SystemExit(f"{way}: differs before anything is broken: {found[0]}")
    for one in chosen:
        seen = caught(one, tree, kept)
        missed += [] if seen else [one.what]
        print(f"| {one.what} | {seen[:160] or '**nothing**'} |", flush=True)
    return missed


if __name__ == "__main__":
    main()
