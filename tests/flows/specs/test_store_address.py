"""`--store`: where answers are kept, without a password in what is kept or shown."""

import json

import pytest
from pydantic import ValidationError

from flows.cli.evaluate_command import main, read_arguments, read_spec
from flows.common.errors import SpecError
from flows.specs.evaluation import EvaluationSpec
from flows.specs.store_address import store_place

WITH_PASSWORDS = [
    "postgresql+psycopg://me:hunter2@host/db",
    "postgresql://me:hunter2@host:5432/db?sslmode=require",
    "postgresql+psycopg://me@host/db?password=hunter2",
    "postgresql://me@host/db?sslmode=require&sslpassword=hunter2",
]


@pytest.mark.parametrize("place", WITH_PASSWORDS)
def test_a_password_is_refused_and_not_repeated(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--store={place}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --store: a password does not belong there")
    assert "PGPASSWORD" in said
    assert "hunter2" not in said
    with pytest.raises(ValidationError) as caught:
        EvaluationSpec.model_validate({"store": place})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "postgresql+psycopg://me@host:5432/db?sslmode=require",
        "/data/answers.sqlite",
        "env:ANSWERS",
        "secret:answers",
    ],
)
def test_a_place_without_a_password_is_kept_as_it_is(place: str) -> None:
    spec = read_spec(read_arguments([f"--store={place}"]))
    assert spec.store == place
    assert json.loads(spec.model_dump_json())["store"] == place


def test_a_variable_that_holds_the_url_is_looked_up_when_the_store_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANSWERS", WITH_PASSWORDS[0])
    assert store_place("env:ANSWERS") == WITH_PASSWORDS[0]
    monkeypatch.setenv("ANSWERS", "")
    with pytest.raises(SpecError, match="--store: the environment variable ANSWERS is not set"):
        store_place("env:ANSWERS")


@pytest.mark.usefixtures("prefect_server")
def test_a_secret_block_that_holds_the_url_is_looked_up_when_the_store_is_opened() -> None:
    from prefect.blocks.system import Secret
    from pydantic import SecretStr

    Secret(value=SecretStr(WITH_PASSWORDS[0])).save("answers-of-tests", overwrite=True)
    assert store_place("secret:answers-of-tests") == WITH_PASSWORDS[0]
    with pytest.raises(SpecError, match=r"^--store: secret:no-such-place: .* no Secret block"):
        store_place("secret:no-such-place")


def test_an_output_in_a_bucket_survives_json_and_files() -> None:
    spec = EvaluationSpec.model_validate({"output": "s3://bucket/runs"})
    assert str(spec.output) == "s3://bucket/runs"
    assert EvaluationSpec.model_validate_json(spec.model_dump_json()) == spec
    assert EvaluationSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert EvaluationSpec.model_validate(spec.model_dump()) == spec
    assert EvaluationSpec.model_json_schema()["properties"]["output"]["type"] == "string"


def test_an_output_of_another_kind_is_refused_with_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output=gs://bucket/runs"]) == 2
    assert capsys.readouterr().err.startswith("error: --output: 'gs://bucket/runs' is neither a folder nor")
