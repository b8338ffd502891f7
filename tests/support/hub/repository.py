"""What the stand-in for the Hugging Face Hub holds: repositories, their commits and pull requests."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST_FILES = {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    title: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class PullRequest:
    number: int
    commit: Commit


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str = "", message: str = "", **more: str) -> None:
        super().__init__(message or code)
        self.status = status
        self.code = code
        self.body = {"error": str(self), **more}


@dataclass
class Repository:
    """One repository, its commits oldest first. The last file a path was given counts."""

    kind: str
    name: str
    private: bool
    commits: list[Commit] = field(default_factory=list)
    pull_requests: list[PullRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("initial commit", FIRST_FILES)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    @property
    def files(self) -> Mapping[str, bytes]:
        return self.head.files

    def at(self, revision: str) -> Commit:
        if revision == "main":
            return self.head
        for commit in self.commits:
            if commit.oid == revision:
                return commit
        raise Refused(404, "RevisionNotFound")

    def commit(self, title: str, changed: Mapping[str, bytes]) -> Commit:
        made = self._next(title, changed)
        self.commits.append(made)
        return made

    def request(self, title: str, changed: Mapping[str, bytes]) -> PullRequest:
        made = PullRequest(len(self.pull_requests) + 1, self._next(title, changed))
        self.pull_requests.append(made)
        return made

    def _next(self, title: str, changed: Mapping[str, bytes]) -> Commit:
        before = self.head.files if self.commits else {}
        place = f"{self.kind}/{self.name}/{len(self.commits)}/{len(self.pull_requests)}/{title}"
        return Commit(hashlib.sha1(place.encode()).hexdigest(), title, {**before, **changed})


def read_commit(body: bytes, large: Mapping[str, bytes]) -> tuple[Mapping[str, str], dict[str, bytes]]:
    """Header and changed files of a commit as the client sends it. large: uploaded files by sha256."""
    header: Mapping[str, str] = {}
    files: dict[str, bytes] = {}
    for line in body.splitlines():
        entry = json.loads(line)
        match entry["key"], entry["value"]:
            case "header", value:
                header = value
            case "file", {"path": path, "content": content, "encoding": "base64"}:
                files[path] = base64.b64decode(content)
            case "lfsFile", {"path": path, "oid": oid}:
                if oid not in large:
                    raise Refused(400, message=f"{path} was not uploaded")
                files[path] = large[oid]
            case key, _:
                raise Refused(400, message=f"unknown operation {key}")
    return header, files


def is_large(path: str) -> bool:
    """Whether a file goes to the large file storage, as the real Hub has it of Parquet."""
    return path.endswith(".parquet")


def oid_of(path: str, content: bytes) -> str:
    """What the Hub calls a file's content: of a large one its sha256, else git's own."""
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
