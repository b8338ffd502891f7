"""What is stored of a model in which texts may share no work is asked anew; of all others it stays."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from backends.identity import fingerprint_key, request_key
from backends.requests import Response
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests
from tests.backends.hf.odd_models import odd_model
from tests.support.lab import Lab

DOCS = 4
STORY = "Once upon a time there was a little dog. " * 6


def with_old_answers(lab: Lab, model: str) -> None:
    """Store answers under the keys that versions before had for them: the second choice is always right."""
    lab.add_choices("long", DOCS, doc_to_text=f"{STORY}{{{{question}}}}", doc_to_target=1)
    with patch.dict(os.environ, ASSAY_HOME=str(lab.home)):
        plan = Plan.of(lab.spec("long", model))
        key = fingerprint_key(plan.backend.fingerprint)
        digests = PreparedRequests.before_run(plan, "long").digests
        answers = [Response(logprob=-1.0 - number % 2, is_greedy=False) for number in range(len(digests))]
        stored = [(request_key(key, digest), one) for digest, one in zip(digests, answers, strict=True)]
        plan.store.put_many(stored, key)


def test_old_answers_of_a_model_that_may_not_share_are_asked_anew_once(lab: Lab, tmp_path: Path) -> None:
    model = f"hf:{odd_model(tmp_path, 'local attention')}?device=cpu"
    with_old_answers(lab, model)
    first, second = (lab.evaluate("long", model).record.assay for _ in range(2))
    assert (first.requests_asked, first.requests_reused) == (2 * DOCS, 0)
    assert (second.requests_asked, second.requests_reused) == (0, 2 * DOCS)
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint["asked"] == "sharing only what was tried"


def test_old_answers_of_a_model_that_may_share_stay(lab: Lab, tmp_path: Path) -> None:
    model = f"hf:{odd_model(tmp_path, 'llama')}?device=cpu"
    with_old_answers(lab, model)
    result = lab.evaluate("long", model)
    assert (result.record.assay.requests_asked, result.record.assay.requests_reused) == (0, 2 * DOCS)
    assert "asked" not in result.record.assay.fingerprint
    score = result.record.score("long", "acc,none")
    assert score is not None
    assert score.value == 0.0


def test_answers_of_a_new_model_have_the_identity_that_they_always_had(lab: Lab, tmp_path: Path) -> None:
    lab.add_choices("short", DOCS)
    model = f"hf:{odd_model(tmp_path, 'local attention')}?device=cpu"
    first, second = (lab.evaluate("short", model).record.assay for _ in range(2))
    assert "asked" not in first.fingerprint
    assert (second.requests_asked, second.requests_reused) == (0, 2 * DOCS)
