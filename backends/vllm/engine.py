"""vLLM's engine: started with words of its own kept apart, and stepped until what it was given is done."""

import atexit
import json
import os
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from backends.errors import BackendError, BackendStopped
from backends.served.start_failure import reason_in
from backends.vllm.process_guard import Guard

# Requests that the engine knows of: more than it runs at a time, so that there is always a next one.
_AT_ONCE = 1024
# Answers are given out together, so that they are stored together, but none is kept back longer than this.
_TOGETHER = 64
_LONGEST_WAIT = 0.5  # seconds
# Read by vLLM's processes when they start; a user's own values win.
_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a process with threads, as a run is, must not be forked
}


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """Tokens that the engine goes on from, and its `SamplingParams`."""

    tokens: Sequence[int]
    sampling: Any


class VLLMEngine:
    """An engine that is running; it ends with this object, and with this process however that ends.

    arguments: of vLLM's `EngineArgs`. adapter: its `LoRARequest`, if any. Raises BackendError with vLLM's
    reason where it does not start.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], adapter: Any) -> None:
        self._name = name
        self._adapter = adapter
        self._words = tempfile.TemporaryDirectory(prefix="assay-vllm-")
        self._guard = Guard()
        with _environment(self._log):
            self._engine = self._started(arguments)
        self._guard.engine_is_there()
        self._number = 0
        ending = weakref.finalize(self, self._engine.engine_core.shutdown)
        # Among the finalizers it might be too late: multiprocessing waits for the engine's process to end.
        ending.atexit = False
        atexit.register(ending)

    @property
    def sampling_defaults(self) -> Mapping[str, Any]:
        """How texts are drawn where a request does not say: the model's generation configuration."""
        defaults: Mapping[str, Any] = self._engine.model_config.get_diff_sampling_param()
        return defaults

    def outputs(self, jobs: Sequence[EngineRequest]) -> Iterator[list[tuple[int, Any]]]:
        """vLLM's outputs, each with the position of its job, as they are done; leaving ends the others.

        Raises BackendStopped where the engine breaks down.
        """
        waiting, running = iter(enumerate(jobs)), dict[str, int]()
        done: list[tuple[int, Any]] = []
        given = time.monotonic()
        try:
            while self._fill(running, waiting):
                done += [(running.pop(one.request_id), one) for one in self._step() if one.finished]
                if done and (len(done) >= _TOGETHER or time.monotonic() - given > _LONGEST_WAIT):
                    yield done
                    done, given = [], time.monotonic()
            if done:
                yield done
        finally:
            self._engine.abort_request(list(running))

    def _fill(self, running: dict[str, int], waiting: Iterator[tuple[int, EngineRequest]]) -> bool:
        """Give the engine what there is room for; whether it has anything to do."""
        for position, job in islice(waiting, _AT_ONCE - len(running)):
            self._number += 1
            name = str(self._number)
            prompt = {"prompt_token_ids": list(job.tokens)}
            self._engine.add_request(name, prompt, job.sampling, lora_request=self._adapter)
            running[name] = position
        return bool(running)

    def _step(self) -> list[Any]:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            outputs: list[Any] = self._engine.step()
        except EngineDeadError as error:
            raise BackendStopped(f"{self._name}: vLLM's engine broke down: {self._reason()}") from error
        return outputs

    def _started(self, arguments: Mapping[str, Any]) -> Any:
        from vllm import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        try:
            return LLMEngine.from_engine_args(EngineArgs(**arguments))
        except (ValueError, TypeError, OSError, RuntimeError, ImportError, KeyError) as error:
            said = reason_in(f"{type(error).__name__}: {error}")
            raise BackendError(f"{self._name}: vLLM does not start: {self._reason() or said}") from error

    def _reason(self) -> str:
        """What went wrong in the engine's own processes, if anything did."""
        said = self._log.read_text(errors="replace") if self._log.is_file() else ""
        return reason_in(said) if said else ""

    @property
    def _log(self) -> Path:
        return Path(self._words.name) / "errors.log"


@contextmanager
def _environment(log: Path) -> Iterator[None]:
    """While processes start, the environment that they read: errors go to a file, and the rest nowhere."""
    settings = log.with_name("logging.json")
    settings.write_text(json.dumps(_logging_to(log)))
    added = {
        name: value
        for name, value in {**_ENVIRONMENT, "VLLM_LOGGING_CONFIG_PATH": str(settings)}.items()
        if name not in os.environ
    }
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _logging_to(log: Path) -> dict[str, Any]:
    handler = {"class": "logging.FileHandler", "filename": str(log), "level": "ERROR"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"file": handler},
        "loggers": {"vllm": {"handlers": ["file"], "level": "ERROR", "propagate": False}},
    }
