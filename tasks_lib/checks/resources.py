"""Data of NLTK and models of spaCy that a task's Python needs once it scores, read from its calls.

A module that downloads them when it is imported goes on where that fails; only the document that needs them
would say so, after all was asked.
"""

import ast
import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tasks_lib.checks.imports import task_code_of
from tasks_lib.code.trusted_functions import source_file
from tasks_lib.errors import MissingResource
from tasks_lib.files.config import FunctionRef

# What NLTK's functions look up, by their names.
_READ_BY = {
    "word_tokenize": "punkt_tab",
    "sent_tokenize": "punkt_tab",
    "pos_tag": "averaged_perceptron_tagger_eng",
}
# NLTK 3.9 reads the second where code names the first.
_LATER_NAMES = {
    "punkt": "punkt_tab",
    "averaged_perceptron_tagger": "averaged_perceptron_tagger_eng",
    "maxent_ne_chunker": "maxent_ne_chunker_tab",
}
_KINDS = (
    "tokenizers",
    "corpora",
    "taggers",
    "chunkers",
    "models",
    "stemmers",
    "sentiment",
    "misc",
    "grammars",
)
_NLTK, _SPACY = "nltk", "spacy"


def check_resources(task: str, refs: Iterable[FunctionRef]) -> None:
    """Raise MissingResource for the first of them that is not here, with the command that brings it."""
    for library, name in sorted({need for ref in refs for need in _needs(source_file(ref))}):
        if library == _NLTK and not _has_nltk(name):
            raise MissingResource(
                f"{task}: its Python reads NLTK's {name}, which is not here: python -m nltk.downloader {name}"
            )
        if library == _SPACY and not _has_spacy(name):
            raise MissingResource(
                f"{task}: its Python loads spaCy's {name}, which is not here: python -m spacy download {name}"
            )


@cache
def _needs(file: Path) -> frozenset[tuple[str, str]]:
    """Library and name of what a file, and the task code that it imports, look up."""
    return frozenset(need for one in task_code_of(file) for need in _read_in(one))


def _read_in(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_bytes()
        tree = ast.parse(text) if b"nltk" in text or b"spacy" in text else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):  # importing it says what is wrong with it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _looked_up(ast.unparse(node.func), node.args)


def _looked_up(function: str, arguments: list[ast.expr]) -> Iterator[tuple[str, str]]:
    last = function.rpartition(".")[2]
    named = arguments[0].value if arguments and isinstance(arguments[0], ast.Constant) else None
    if last in _READ_BY:
        yield _NLTK, _READ_BY[last]
    if not isinstance(named, str):
        return
    if function.endswith(("nltk.download", "nltk.data.find", "nltk.data.load")):
        yield _NLTK, _resource(named)
    if function.endswith("spacy.load"):
        yield _SPACY, named


def _resource(address: str) -> str:
    """`punkt_tab` of `nltk:tokenizers/punkt/english.pickle`."""
    parts = address.rpartition(":")[2].split("/")
    name = parts[1] if len(parts) > 1 and parts[0] in _KINDS else parts[0]
    name = name.removesuffix(".zip")
    return _LATER_NAMES.get(name, name)


@cache
def _has_nltk(name: str) -> bool:
    if importlib.util.find_spec(_NLTK) is None:  # whoever imports it says so
        return True
    nltk = importlib.import_module(_NLTK)
    for kind in _KINDS:
        for address in (f"{kind}/{name}", f"{kind}/{name}.zip"):
            try:
                nltk.data.find(address)
            except LookupError:
                continue
            return True
    return False


@cache
def _has_spacy(name: str) -> bool:
    if importlib.util.find_spec(_SPACY) is None or "/" in name:
        return True
    return importlib.util.find_spec(name) is not None
