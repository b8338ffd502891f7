"""What an error of a task's own code tells about the documents that it wants."""

import ast
import linecache
import re
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import jinja2

from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tests.parity import observed
from tests.parity.observed import Field

TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")

# What a TypeError's message says that its values should have been.
TYPES = {
    "not supported between instances": "number",
    "unsupported operand|bad operand|must be real number": "number",
    "expected str|can only concatenate str|must be str|string argument|decoding to str": "text",
}


def learn_from(config: TaskConfig, schema: Field, error: BaseException | None) -> None:
    """What an error of a task's code tells about the documents."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    match error:
        case TaskError() if "has no documents" in str(error):
            schema.size = 40
        case KeyError() if error.args:
            missing = error.args[0]
            if isinstance(missing, observed.Watched):
                table = _looked_up_in(error)
                _close(missing.place, [] if isinstance(table, observed.Row) else list(table or ()))
            elif isinstance(missing, str):
                (_holder(schema, error) or schema).key(missing)
        case TypeError() if found := next(
            (use for said, use in TYPES.items() if re.search(said, str(error))), None
        ):
            for place in _blamed(error):
                place.uses, place.item, place.constants = {found}, None, []
        case ValueError() if "is not in list" in str(error) or "not in tuple" in str(error):
            observed.last_compared.uses.add("closed")
            observed.last_compared.item = None  # what is one of those constants is no list
        case jinja2.UndefinedError() if name := re.match(r"'(\w+)' is undefined", str(error)):
            schema.key(name[1])
        case jinja2.UndefinedError() if name := re.search(r"object' has no attribute '(\w+)'", str(error)):
            for key in TEMPLATES:
                for holder in re.findall(rf"(\w+)\.{name[1]}\b", str(getattr(config, key, ""))):
                    schema.key(holder).key(name[1])


def _close(place: Field, allowed: list[Any]) -> None:
    place.uses.add("closed")
    for constant in allowed:
        place.equals(constant)


def _failed(error: BaseException) -> tuple[ast.expr, FrameType] | None:
    """The expression that raised, and where it stands."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or last.tb_frame.f_code.co_filename == "<template>":
        return None
    code = last.tb_frame.f_code
    line, end_line, start, end = list(code.co_positions())[last.tb_lasti // 2]
    if line is None or end_line is None:
        return None
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(line, end_line + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        return ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body, last.tb_frame
    except SyntaxError:
        return None


def _value_of(expression: ast.expr, frame: FrameType) -> Any:
    """Of what can be evaluated once more without doing anything."""
    if any(isinstance(node, ast.Call | ast.NamedExpr | ast.Await) for node in ast.walk(expression)):
        return None
    try:
        return eval(compile(ast.Expression(expression), "", "eval"), frame.f_globals, frame.f_locals)
    except Exception:  # noqa: BLE001  # it raised before
        return None


def _looked_up_in(error: BaseException) -> Mapping[Any, Any] | None:
    """The mapping of the code in which a key was not found."""
    expression, frame = _failed(error) or (None, None)
    if not isinstance(expression, ast.Subscript) or frame is None:
        return None
    found = _value_of(expression.value, frame)
    return found if isinstance(found, Mapping) else None


def _holder(schema: Field, error: BaseException) -> Field | None:
    """The mapping inside the documents in which a key was not found."""
    table = _looked_up_in(error)
    places = [schema]
    for place in places:
        places += [*place.keys.values(), *([place.item] if place.item else [])]
        if table is not None and place.keys and place.keys.keys() == table.keys():
            return place
    return None


def _blamed(error: BaseException) -> Iterator[Field]:
    """The places of the values in an expression that raised."""
    expression, frame = _failed(error) or (None, None)
    if expression is None or frame is None:
        return
    for node in ast.walk(expression):
        if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
            found = _value_of(node, frame)
            if isinstance(found, observed.Watched) and not isinstance(found, observed.Row):
                yield found.place
