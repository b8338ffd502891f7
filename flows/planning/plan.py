"""From a spec to a plan: the tasks by name, the model (not loaded), the store, and how steps are cut.

A step gets the spec and names; what they stand for is opened once in each process that runs steps.
"""

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

from backends.endpoints.fallbacks import chained
from backends.identity import fingerprint_key
from backends.model_string import ModelSpec, task_arguments
from backends.money.budget import NO_LIMITS, Budget, Limits
from backends.money.price_lookup import offered_price
from backends.money.prices import Price, parse_price
from backends.protocol import Backend
from backends.registry import BackendContext, open_backend
from backends.requests import RequestKind
from backends.store.responses import ResponseStore
from flows.common.errors import SpecError
from flows.planning.route_check import NEEDS, check_route
from flows.planning.stored_model import StoredModel
from flows.prefect_api.secret_blocks import block_secret
from flows.specs.evaluation import EvaluationSpec
from flows.specs.store_address import store_place
from flows.storage.home import Home
from flows.storage.step_files import StepFiles, step_files
from metrics.hf_evaluate.code_eval import PERMISSION as CODE_PERMISSION
from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.run_metadata import with_metadata
from tasks_lib.catalog.selection import Selection
from tasks_lib.code.functions import TrustedRoots
from tasks_lib.context import TaskContext
from tasks_lib.task import Task, open_task

# Prefect loses records of runs with many steps (docs/design.md, "The flow"): a run stays under this many.
MAX_STEPS = 300
# A shard: long enough that a step's overhead does not show, short enough to be told apart in a UI.
SHARD_REQUESTS = 512
# Where several processes ask: at the end one is idle for no more than an eighth of the time, the last shard
# of another, unless shards would be so small that what a step costs shows.
SHARDS_EACH = 8
LEAST_REQUESTS = 64


@dataclass(frozen=True)
class Plan:
    """What a run is made of. Opening it loads no dataset and no weights."""

    spec: EvaluationSpec
    home: Home

    @cached_property
    def selection(self) -> Selection:
        """The tasks and groups that are asked for. Raises TaskError."""
        selection = Catalog.standard(self.spec.include_path, self.home.root).select(self.spec.tasks)
        return with_metadata(selection, self.spec.metadata, task_arguments(self.spec.model))

    @property
    def backend_context(self) -> BackendContext:
        return BackendContext(self.home.root, self.spec.batch_size, self.spec.seed, block_secret)

    @cached_property
    def backend(self) -> Backend:
        """The model, opened once a process; weights load with the first question. Raises BackendError, and
        ResultError where an earlier run stands in for it that there is not."""
        models = [self.spec.model, *(self.spec.fallback if self.spec.allow_mixing else ())]
        if self.spec.answers_from is not None:
            return StoredModel(
                self.spec.answers_from, partial(_opened, list(map(str, models)), self.backend_context)
            )
        return _backend(tuple(map(str, models)), self.backend_context)

    @cached_property
    def prices(self) -> Mapping[str, Price | None]:
        """What each model costs, by `Call.asked`; `""` is one of this machine's own."""
        given = parse_price(self.spec.price) if self.spec.price else None
        offers = self.backend.capabilities.offers
        return {offer.asked: offered_price(offer, given) for offer in offers} or {"": given}

    @cached_property
    def budget(self) -> Budget | None:
        """What the run may spend; None where nothing is said of it."""
        spec = self.spec
        run = Limits(spec.budget_usd, spec.budget_tokens, spec.budget_time)
        task = Limits(spec.task_budget_usd, spec.task_budget_tokens, spec.task_budget_time)
        return None if run == task == NO_LIMITS else Budget(run, task)

    @cached_property
    def store(self) -> ResponseStore:
        return ResponseStore.open(store_place(self.spec.store) if self.spec.store else self.home.store)

    @cached_property
    def steps(self) -> StepFiles:
        return step_files(self.home, self.spec.steps_folder)

    @cached_property
    def model_key(self) -> str:
        return fingerprint_key(self.backend.fingerprint)

    @cached_property
    def ask_options(self) -> AskOptions:
        spec = self.spec
        return AskOptions(
            num_fewshot=spec.num_fewshot,
            limit=spec.limit,
            samples=spec.samples,
            seed=spec.seed,
            system_instruction=spec.system_instruction,
            generation=spec.gen_kwargs,
            repeats=spec.repeats,
            end_of_thinking=spec.end_of_thinking,
            compat=spec.compat == "lm-eval",
            cluster=spec.cluster,
        )

    def task(self, name: str) -> Task:
        """The task of that name; kept while it is one of the last few, for its documents."""
        return _open_task(self, name)

    @property
    def kinds(self) -> frozenset[RequestKind]:
        """What the tasks ask, as far as it is known before their requests are made."""
        types = {file.config.output_type for file in self.selection.tasks.values()}
        return frozenset(NEEDS[type_] for type_ in types if type_)

    def check(self) -> None:
        """Raise what is wrong with the request, before anything is loaded or asked."""
        check_route(self.selection, self.backend, self.spec)
        self._check_prices()
        for name in self.spec.samples:
            if name not in self.selection.tasks:
                raise SpecError(f"--samples: {name} is none of the tasks that are asked")
        for root in self.spec.data_root:
            if not root.is_dir():
                raise SpecError(f"--data-root: there is no folder {root}")

    def _check_prices(self) -> None:
        """Without a price no budget in money can hold."""
        if self.spec.budget_usd is None and self.spec.task_budget_usd is None:
            return
        for asked, price in self.prices.items():
            if price is None:
                model = asked or str(self.spec.model)
                raise SpecError(
                    f"--budget-usd: there is no price for {model}: give one with --price in=..,out=.. "
                    "(USD per million tokens), or limit --budget-tokens"
                )

    @property
    def bundles(self) -> list[tuple[str, ...]]:
        """The tasks as steps take them: one at a time, or, where there are too many, several."""
        return cut_bundles(list(self.selection.tasks))

    def __hash__(self) -> int:
        return id(self)


def open_plan(spec_json: str, home: Home) -> Plan:
    """The plan of a spec in JSON, a new one each time."""
    spec = EvaluationSpec.model_validate_json(spec_json)
    # Task code gets at the metric that runs a model's code without going through here.
    os.environ[CODE_PERMISSION] = "1" if spec.allow_unsafe_code else "0"
    return Plan(spec, home)


@lru_cache(maxsize=2)
def _plan(spec_json: str, home: Home) -> Plan:
    return open_plan(spec_json, home)


def plan_for(spec: EvaluationSpec) -> Plan:
    """The plan of a spec, the same one for the same spec in one process."""
    return _plan(spec.model_dump_json(), Home.from_environment())


def forget_plans() -> None:
    """Open everything anew the next time; files may have changed between two runs of one process."""
    _plan.cache_clear()
    _open_task.cache_clear()


def _backend(models: tuple[str, ...], context: BackendContext) -> Backend:
    """The model of an earlier run of this process, with its weights loaded, unless its files have changed."""
    now = _opened(models, context)
    return _kept_backend(models, context, fingerprint_key(now.fingerprint))


@lru_cache(maxsize=1)
def _kept_backend(models: tuple[str, ...], context: BackendContext, _fingerprint: str) -> Backend:
    return _opened(models, context)


def _opened(models: Sequence[str], context: BackendContext) -> Backend:
    """One model, or several that answer for one another."""
    backends = [open_backend(ModelSpec.parse(model), context) for model in models]
    return backends[0] if len(backends) == 1 else chained(backends)


@lru_cache(maxsize=8)
def _open_task(plan: Plan, name: str) -> Task:
    spec = plan.spec
    context = TaskContext(
        roots=[root.expanduser().absolute() for root in spec.data_root],
        trusted=TrustedRoots.standard(spec.include_path if spec.trust_task_code else ()),
        options=plan.ask_options,
        chat=plan.backend.apply_chat_template if spec.apply_chat_template else None,
    )
    return open_task(plan.selection.tasks[name], context)


def cut_bundles(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Tasks in order, in at most a quarter as many bundles as there may be steps."""
    size = max(1, math.ceil(len(tasks) / (MAX_STEPS // 4)))
    return [tuple(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def cut_shards(requests: int, bundles: int, processes: int = 1, scale: int = 1) -> list[range]:
    """The requests of one bundle in equal shards, so few that all steps of the run stay within `MAX_STEPS`.

    processes: that ask; of several each gets some shards, so that none is idle while another has many left.
    scale: how many times the usual size a shard is.
    Every bundle has a prepare and a score step besides its shards; loading and persisting are two more.
    """
    allowed = max(1, (MAX_STEPS - 2) // bundles - 2)
    wanted = math.ceil(requests / (scale * SHARD_REQUESTS))
    if processes > 1:
        wanted = max(wanted, min(SHARDS_EACH * processes, requests // (scale * LEAST_REQUESTS)))
    count = min(max(1, wanted), allowed)
    bounds = [requests * part // count for part in range(count + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]
