"""From a spec to a plan: the tasks by name, the model (not loaded) and the store.

A run has one, which its steps share; what it stands for is opened once, when it is first needed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Self

from backends.identity import asked_plainly, fingerprint_key
from backends.model_string import task_arguments
from backends.money.budget import NO_LIMITS, Budget, Limits
from backends.money.price_lookup import offered_price
from backends.money.prices import Price, parse_price
from backends.protocol import Backend
from backends.registry import BackendContext
from backends.requests import RequestKind
from backends.store.responses import ResponseStore
from flows.common.errors import SpecError
from flows.planning.kept_model import KEPT_MODEL, open_models, turn
from flows.planning.prompt_notices import notices_of
from flows.planning.route_check import NEEDS, check_route
from flows.planning.shard_sizes import cut_bundles
from flows.planning.stored_model import StoredModel
from flows.planning.task_calls import TaskCalls
from flows.policy.check import check_evaluation
from flows.prefect_api.secret_blocks import block_secret
from flows.specs.evaluation import EvaluationSpec
from flows.specs.store_address import is_empty, store_place
from flows.storage.home import Home
from flows.storage.step_files import StepFiles, step_files
from metrics.processes.limits import WorkLimits
from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.run_metadata import with_metadata
from tasks_lib.catalog.selection import Selection
from tasks_lib.code.trusted_functions import TrustedRoots
from tasks_lib.context import TaskContext

log = logging.getLogger("assay")


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run is made of. Opening it loads no dataset and no weights."""

    spec: EvaluationSpec
    home: Home

    @classmethod
    def of(cls, spec: EvaluationSpec) -> Self:
        """A new plan, of a run in this process's home. Raises what `Plan.allowed` raises."""
        return cls.allowed(spec, Home.from_environment())

    @classmethod
    def allowed(cls, spec: EvaluationSpec, home: Home) -> Self:
        """A new plan. Raises SpecError where the policy of this machine does not allow the run."""
        check_evaluation(spec, home)
        home.make()
        return cls(spec, home)

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
        """The model; weights load with the first question. Raises BackendError, and ResultError where an
        earlier run stands in for it that there is not."""
        models = [self.spec.model, *(self.spec.fallback if self.spec.allow_mixing else ())]
        names = list(map(str, models))
        if self.spec.answers_from is not None:
            return StoredModel(self.spec.answers_from, partial(open_models, names, self.backend_context))
        return KEPT_MODEL.open(names, self.backend_context)

    @cached_property
    def load(self) -> Callable[[frozenset[RequestKind]], None]:
        """Have the model ready for requests of some kinds, once. Raises BackendError."""
        return lru_cache(maxsize=8)(self.backend.load)

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
        place = store_place(self.spec.store) if self.spec.store else self.home.store
        was_emptied = is_empty(place) and self.home.identities.is_dir()
        store = ResponseStore.open(place)
        if was_emptied:
            log.warning("response store %s was emptied since the last run: all is asked anew", place)
        return store

    def close(self) -> None:
        """Let go of the store, if it was opened; it opens again by itself."""
        if "store" in self.__dict__:
            self.store.close()

    @cached_property
    def steps(self) -> StepFiles:
        return step_files(self.home, self.spec.steps_folder)

    @cached_property
    def fingerprint(self) -> Mapping[str, str]:
        """What decides the answers, by name: the model, and the generation of answers where the run has
        one of its own. Raises BackendError."""
        anew = self.spec.ask_anew
        return {**self._model_fingerprint, **({"asked anew": anew} if anew else {})}

    @cached_property
    def _model_fingerprint(self) -> Mapping[str, str]:
        """What decides the model's answers in this store: another than the backend's where it has answers
        that a trial of the model shows to be wrong. The trial, of a model whose answers an earlier version
        stored, loads its weights, once. Raises BackendError."""
        fingerprint = self.backend.fingerprint
        trial = self.backend.capabilities.stands
        if trial is None:
            return fingerprint

        def tried() -> bool:
            with turn(self.backend):
                return trial()

        stands = self.store.tried_models.stands(fingerprint_key(fingerprint), tried)
        return fingerprint if stands else asked_plainly(fingerprint)

    @cached_property
    def model_key(self) -> str:
        return fingerprint_key(self.fingerprint)

    @cached_property
    def drawing(self) -> str:
        """How the model draws texts (`Capabilities.drawing`)."""
        return self.backend.capabilities.drawing

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

    @cached_property
    def tasks(self) -> TaskCalls:
        """The tasks by name, and what is done with them."""
        spec = self.spec
        context = TaskContext(
            roots=[root.expanduser().absolute() for root in spec.data_root],
            trusted=TrustedRoots.standard(spec.include_path if spec.trust_task_code else ()),
            options=self.ask_options,
        )
        chat = self.backend.apply_chat_template if spec.apply_chat_template else None
        limits = WorkLimits(spec.doc_seconds, int(spec.doc_memory * 2**30))
        return TaskCalls(self.selection.tasks, context, chat, limits, spec.wanted_sandbox)

    @property
    def kinds(self) -> frozenset[RequestKind]:
        """What the tasks ask, as far as it is known before their requests are made."""
        types = {file.config.output_type for file in self.selection.tasks.values()}
        return frozenset(NEEDS[type_] for type_ in types if type_)

    @cached_property
    def notices(self) -> Sequence[str]:
        """What is odd about the prompts that the tasks will get."""
        return notices_of(self.spec, self.backend, self.selection)

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
