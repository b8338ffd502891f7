"""The command line of `evaluate`: flags made from `EvaluationSpec`, messages and exit statuses.

Exit status 0: all tasks scored; 1: some failed, or the run was cut short; 2: the request itself was wrong.
Of `--check-tasks`, 0: nothing is broken, though packages or data may be missing; 1: something is.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from backends.keys import shown
from flows.cli.exit_statuses import DONE, FAILED, ended
from flows.cli.flags_from_specs import Parser, add_flags, given, parse
from flows.common.errors import ResultError, SpecError
from flows.common.json_object import JsonObject
from flows.policy.check import check_evaluation
from flows.specs.evaluation import EvaluationSpec
from flows.specs.form import TITLES
from flows.specs.plain_yaml import plain_yaml
from flows.specs.validation import validated, yaml_problem
from flows.storage.home import Home
from metrics.errors import nearest
from metrics.shown_text import in_lines

if TYPE_CHECKING:
    from flows.results.evaluation_result import EvaluationResult


def parser() -> argparse.ArgumentParser:
    """One flag for each key of `EvaluationSpec`, and those that are not part of a run's description."""
    result = Parser(
        "evaluate.py", "Evaluate a model on tasks. Run again after an interruption: it goes on where it was."
    )
    result.add_argument("--config", metavar="FILE", type=Path, help="YAML file with the keys of this command")
    instead = result.add_mutually_exclusive_group()
    instead.add_argument(
        "--list-tasks", nargs="?", const="*", metavar="PATTERN", help="list tasks, groups and tags, and stop"
    )
    instead.add_argument(
        "--check-tasks",
        nargs="?",
        const="*",
        metavar="PATTERN",
        help="check that tasks and groups load, with --data-root their first documents too, and stop; "
        "exit status 1 where one is broken and not just in want of a package or data",
    )
    add_flags(result, EvaluationSpec, titles=TITLES)
    return result


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed flags. Raises SpecError for unknown ones, naming the nearest."""
    return parse(parser(), arguments)


def read_spec(arguments: argparse.Namespace) -> EvaluationSpec:
    """The run that config file and flags describe; a flag wins over the file. Raises SpecError."""
    config = _read_config(arguments.config) if arguments.config else {}
    return validated(EvaluationSpec, {**config, **given(EvaluationSpec, arguments)})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return ended(partial(_run, words), failures=(ResultError,), goes_on=True)


def show(result: "EvaluationResult", *, with_performance: bool = False) -> int:
    """Print what a run found; the exit status that it means."""
    print(result.table())
    if with_performance:
        print(f"\n{result.performance()}")
    print(f"\nResults: {result.folder}")
    if result.failures:
        print(f"failed, as said above: {', '.join(result.failures)}", file=sys.stderr)
    return FAILED if result.failures else DONE


def _run(arguments: Sequence[str]) -> int:
    known = read_arguments(arguments)
    spec = read_spec(known)
    home = Home.from_environment()
    check_evaluation(spec, home)
    home.make()
    if known.list_tasks is not None:
        return _list_tasks(spec, known.list_tasks)
    if known.check_tasks is not None:
        return _check_tasks(spec, known.check_tasks)
    return _estimate(spec) if spec.estimate else _evaluate(spec)


def _evaluate(spec: EvaluationSpec) -> int:
    from flows.pipeline.start import run

    return show(run(spec, show_progress=True), with_performance=spec.show_performance)


def _estimate(spec: EvaluationSpec) -> int:
    from flows.planning.estimate import estimate

    print(estimate(spec).text())
    return DONE


def _list_tasks(spec: EvaluationSpec, pattern: str) -> int:
    from tasks_lib.catalog.catalog import Catalog

    entries = Catalog.standard(spec.include_path, Home.from_environment().root).entries(pattern)
    sys.stdout.write("".join(f"{entry.kind:<6}{entry.name}\n" for entry in entries))
    if not entries:
        raise SpecError(f"no task, group or tag matches {pattern!r}")
    return DONE


def _check_tasks(spec: EvaluationSpec, pattern: str) -> int:
    from flows.cli.check_tasks import check_tasks

    report = check_tasks(spec, pattern, progress=sys.stderr.isatty())
    print(in_lines(report.text()))
    return FAILED if report.is_broken else DONE


def _read_config(file: Path) -> JsonObject:
    try:
        content = plain_yaml(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SpecError(f"--config {file}: {yaml_problem(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"--config {file}: {error}") from error
    if not isinstance(content, dict):
        raise SpecError(f"--config {file}: must hold keys and values such as 'tasks: [arc_easy]'")
    unknown = [key for key in content if key not in EvaluationSpec.model_fields]
    if unknown:
        near = nearest(unknown[0], list(EvaluationSpec.model_fields))
        raise SpecError(f"--config {file}: unknown key {shown(unknown[0])}{near}")
    return content
