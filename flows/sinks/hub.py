"""`hub:org/name`: runs as a dataset repository on the Hugging Face Hub (`flows.sinks.hub_card`)."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import yaml
from pydantic import field_validator

from flows.common.errors import PublishError, SpecError, Unavailable
from flows.common.json_object import JsonObject
from flows.results.evaluation_result import EvaluationResult
from flows.results.run_folder import RunFolder, safe_name
from flows.sinks import content
from flows.sinks.hub_card import Card
from flows.sinks.hub_model_index import model_index
from flows.sinks.sink import Sink

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

    from backends.model_string import ModelSpec

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
# Backends whose models are the Hub's own, where they are not folders.
_OF_HUB = ("hf", "vllm", "vllm-server", "sglang-server")
# Of a commit: another one came first. The rest: too many calls, and what a server says of itself.
_MAY_PASS = frozenset({409, 412, 429, 500, 502, 503, 504})


class HubSink(Sink):
    """A dataset repository; it is made where there is none, private but for `public=true`.

    model_card: the scores for the model's card, `file`: in the repository; `pr`: as a pull request on the
    model's own too.
    """

    public: bool = False
    model_card: Literal["file", "pr"] = "file"

    @field_validator("name")
    @classmethod
    def _has_owner(cls, name: str) -> str:
        if not _REPOSITORY.fullmatch(name):
            raise ValueError("a repository is owner/name")
        return name

    def check(self, model: "ModelSpec") -> None:
        from huggingface_hub.constants import is_offline_mode

        if not os.environ.get("HF_TOKEN"):
            raise SpecError(f"hub:{self.name}: the environment variable HF_TOKEN is not set")
        if is_offline_mode():
            raise SpecError(f"hub:{self.name}: HF_HUB_OFFLINE is set, so that nothing can be published there")
        if self.model_card == "pr":
            _hub_model(model)

    def publish(self, result: EvaluationResult) -> str:
        from huggingface_hub import HfApi

        # False: no token that the client keeps in a file.
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ.get("HF_TOKEN") or False)
        with _without_bars(), _explained(f"hub:{self.name}"):
            self._make_repository(api)
            self._commit(api, result)
            if self.model_card == "pr":
                self._request_card(api, result)
        return self._address(api)

    def _address(self, api: "HfApi") -> str:
        return f"{api.endpoint}/datasets/{self.name}"

    def _make_repository(self, api: "HfApi") -> None:
        api.create_repo(self.name, repo_type="dataset", private=not self.public, exist_ok=True)
        if not (self.public or api.dataset_info(self.name).private):
            raise PublishError(
                f"hub:{self.name} is public: say hub:{self.name}?public=true, or make it private"
            )

    def _commit(self, api: "HfApi", result: EvaluationResult) -> None:
        """All files of the run as one commit, on the head that was looked at; none where all are there.

        The server says which files it has, so a commit whose answer was lost is not made again.
        """
        head = str(api.dataset_info(self.name).sha)
        before = set(api.list_repo_files(self.name, repo_type="dataset", revision=head))
        files = self._files(api, result)
        card = Card(self.name, self._card(api, head) if "README.md" in before else "", before | files.keys())
        columns = {
            Path(name).stem: content.columns(file)
            for name, file in files.items()
            if name.startswith("samples/")
        }
        files["README.md"] = card.with_run(result, columns).encode()
        api.create_commit(
            self.name,
            [_addition(name, file) for name, file in files.items()],
            repo_type="dataset",
            commit_message=f"{content.run_id(result)} of {content.model_name(result)}",
            parent_commit=head,
        )

    def _files(self, api: "HfApi", result: EvaluationResult) -> dict[str, bytes | Path]:
        """What is published of a run, by path in the repository."""
        where = f"{content.model_name(result)}/{content.run_id(result)}"
        results = json.dumps(content.results(result), indent=2, ensure_ascii=False)
        index = {"model-index": self._index(api, result)}
        return {
            f"results/{where}.json": f"{results}\n".encode(),
            f"model-index/{where}.yaml": yaml.safe_dump(index, sort_keys=False, allow_unicode=True).encode(),
            **{f"samples/{where}/{safe_name(task)}.parquet": file for task, file in content.samples(result)},
        }

    def _card(self, api: "HfApi", head: str) -> str:
        file = api.hf_hub_download(self.name, "README.md", repo_type="dataset", revision=head)
        return Path(file).read_text(encoding="utf-8")

    def _index(self, api: "HfApi", result: EvaluationResult) -> list[JsonObject]:
        path = f"results/{content.model_name(result)}/{content.run_id(result)}.json"
        name = result.record.model_name
        return model_index(result, name.rpartition("/")[2], f"{self._address(api)}/blob/main/{path}")

    def _request_card(self, api: "HfApi", result: EvaluationResult) -> None:
        """A pull request that puts the scores on the model's card, unless this run has made it before."""
        from huggingface_hub import metadata_update

        model = _hub_model(RunFolder(result.folder).read_model())
        title = f"Evaluation results of {content.run_id(result)}"
        if any(one.title == title for one in api.get_repo_discussions(model, discussion_type="pull_request")):
            return
        index = {"model-index": self._index(api, result)}
        metadata_update(
            model, index, create_pr=True, overwrite=True, commit_message=title, token=cast(str, api.token)
        )


def _addition(name: str, file: bytes | Path) -> "CommitOperationAdd":
    from huggingface_hub import CommitOperationAdd

    return CommitOperationAdd(name, file)


def _hub_model(model: "ModelSpec") -> str:
    """The model's repository. Raises SpecError for one that has none."""
    if model.backend not in _OF_HUB or not _REPOSITORY.fullmatch(model.name) or Path(model.name).exists():
        raise SpecError(f"model_card=pr: {model.backend}:{model.name} has no card on the Hub")
    return model.name


@contextmanager
def _without_bars() -> Iterator[None]:
    """Have the client draw no bars of its own into the run's output."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def _explained(sink: str) -> Iterator[None]:
    """Have the client's errors say in a line what to do."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.errors import HTTPError as NoAnswer  # type: ignore[attr-defined]

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        kind = Unavailable if status in _MAY_PASS else PublishError
        raise kind(f"{sink}: {_advice(status)} (status {status})") from error
    except (NoAnswer, LocalEntryNotFoundError, ConnectionError) as error:
        raise Unavailable(f"{sink}: no answer: {_line(error) or type(error).__name__}") from error
    except ValueError as error:  # of a card that cannot be read, or that the Hub refuses
        raise PublishError(f"{sink}: {_line(error)}") from error


def _advice(status: int) -> str:
    match status:
        case 401 | 404:
            return "not found, or HF_TOKEN is not accepted"
        case 403:
            return "HF_TOKEN may not write there"
        case 409 | 412:
            return "another commit came between"
        case 429:
            return "too many calls"
        case _:
            return "the Hub refused" if status < 500 else "the Hub is away"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
