"""The policy of a machine, as its YAML file says it: whatever is not named there is refused."""

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from backends.keys import shown
from backends.table import BACKENDS
from flows.common.errors import SpecError
from flows.specs.plain_yaml import plain_yaml
from flows.specs.validation import yaml_problem
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, place_of
from metrics.errors import nearest

VARIABLE = "ASSAY_POLICY"

Names = Annotated[list[str], Field(default_factory=list)]


class Policy(BaseModel):
    """What runs may do here. Lists hold names, hosts or folders; `*` stands for any text in all but folders.

    Folders are compared after links are followed; a relative one is below where the run works.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    backends: Names = Field(description="backends, as model strings name them")
    hosts: Names = Field(description="hosts that may be reached: endpoints, databases, schedulers, webhooks")
    key_hosts: Names = Field(description="hosts that a key, named in the run, may go to")
    variables: Names = Field(description="variables of the environment that `env:NAME` may name")
    secrets: Names = Field(description="Prefect Secret blocks that `secret:NAME` may name")
    output: Names = Field(description="folders and s3://bucket/prefix that runs may write to")
    store: Names = Field(description="folders and addresses of response stores, beside the home's own")
    data: Names = Field(description="folders that may be read: data, task files, models, finished runs")
    runners: Names = Field(description="where shards may be asked, as --runner says it")
    sinks: Names = Field(description="where runs may be published to, as --sinks says it")
    programs: Names = Field(description="programs that may be started, by path (`python=` of served models)")
    trusted_code: bool = Field(
        default=False, description="whether code may run that runs bring or name: of tasks, models, classes"
    )
    unsafe_code: bool = Field(
        default=False, description="whether programs that a model writes may run without a sandbox"
    )

    _file: Path = PrivateAttr(default=Path())

    @classmethod
    def here(cls) -> "Policy | None":
        """That of this process's environment; None where there is none. Raises SpecError for one that cannot
        be read: then nothing may run."""
        named = os.environ.get(VARIABLE, "").strip()
        return _read(Path(named).expanduser()) if named else None

    def refusal(self, key: str, what: str) -> SpecError:
        """The error that names the file, the key and what it does not allow."""
        return SpecError(f"{self._file}: {key}: the policy of this machine does not allow {what}")

    def require(self, key: str, name: str, what: str) -> None:
        """Raise SpecError unless one of the key's patterns is the name's."""
        patterns: Sequence[str] = getattr(self, key)
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            raise self.refusal(key, f"{what} {shown(name)}")

    def require_place(self, place: Place, what: str, *keys: str, also: Sequence[Path] = ()) -> None:
        """Raise SpecError unless a folder or bucket is within one that the keys name. also: more folders."""
        texts = [text for key in keys for text in getattr(self, key)]
        named = [place_of(text) for text in texts if "://" not in text or text.startswith("s3://")]
        if not any(_is_within(place, one) for one in (*named, *also)):
            raise self.refusal(keys[0], f"{what} {shown(str(place))}")


def _is_within(place: Place, folder: Place) -> bool:
    if isinstance(place, BucketPath) or isinstance(folder, BucketPath):
        return f"{place}/".startswith(f"{folder}".rstrip("/") + "/") and ".." not in f"{place}".split("/")
    return resolved(place).is_relative_to(resolved(folder))


def resolved(path: Path) -> Path:
    """Where a path leads to, whether or not there is something yet."""
    return path.expanduser().resolve()


@lru_cache(maxsize=1)
def _read(file: Path) -> Policy:
    refused = f"{VARIABLE}: {file}: nothing runs while the policy cannot be read"
    try:
        content = plain_yaml(file.read_text(encoding="utf-8"))
        policy = Policy.model_validate(content)
    except yaml.YAMLError as error:
        raise SpecError(f"{refused}: {yaml_problem(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{refused}: {error}") from error
    except ValidationError as error:
        raise SpecError(f"{refused}: {_explained(error)}") from error
    for backend in policy.backends:
        if "*" not in backend and backend not in BACKENDS:
            near = nearest(backend, BACKENDS)
            raise SpecError(f"{refused}: backends: there is no backend {backend!r}{near}")
    policy._file = file
    return policy


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ": ".join(map(str, first["loc"]))
    near = nearest(where, list(Policy.model_fields)) if first["type"] == "extra_forbidden" else ""
    return f"{where}: {first['msg']}{near}".removeprefix(": ")
