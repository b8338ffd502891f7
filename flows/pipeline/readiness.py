"""A plan that may be asked: the request is checked, the store is open, and the model is there."""

import logging
from threading import Thread

from backends.errors import BackendError
from backends.files import remove_abandoned
from flows.common.termination import termination_seconds
from flows.planning import cache_explanation
from flows.planning.missing_answers import check_stored
from flows.planning.plan import Plan
from flows.planning.task_calls import processes
from flows.results.run_folder import RunFolder
from flows.runners.registry import check_runner
from flows.sinks.registry import check_sinks
from flows.specs.runner_text import Runner
from flows.storage.home import Home

log = logging.getLogger("assay")


def checked_and_loaded(plan: Plan) -> Plan:
    """The plan, ready, or that of a fallback which takes its place for the whole run.

    Weights load here only where they will most likely be asked. Raises TaskError, BackendError or SpecError
    for a request that is wrong, before any model is loaded.
    """
    # Of runs that were killed. Nobody waits for it: a home may have very many files.
    Thread(target=_remove_abandoned, args=(plan.home,), name="removing", daemon=True).start()
    plan.check()
    termination_seconds()
    was_finished = _was_finished(plan)
    if not was_finished:
        processes().start()
        plan.tasks.check_all()
    if plan.spec.answers_from is not None:
        check_stored(plan)
    RunFolder.check_writable(plan.spec.output, plan.spec.model)
    check_sinks(plan.spec.sinks, plan.spec.model)
    _ = plan.store  # one that cannot be opened is said before anything is asked
    check_runner(plan)
    if not (Runner.parse(plan.spec.runner).is_local or plan.backend.capabilities.offers):
        return plan  # it is the workers' to load
    if was_finished:
        return plan
    return _loaded(plan)


def _remove_abandoned(home: Home) -> None:
    for folder in home.written_by_runs:
        remove_abandoned(folder)


def _was_finished(plan: Plan) -> bool:
    """Whether there is most likely nothing to do."""
    return all(cache_explanation.was_finished(plan, name) for name in plan.selection.tasks)


def _loaded(plan: Plan) -> Plan:
    """The plan with a model that answers. Raises BackendError where none does."""
    spec = plan.spec
    try:
        plan.load(plan.kinds)
    except BackendError as error:
        if spec.allow_mixing or not spec.fallback:
            raise
        first, *others = spec.fallback
        log.warning("%s; %s answers in its place", error, first)
        instead = Plan(spec.model_copy(update={"model": first, "fallback": others}), plan.home)
        instead.check()
        instead.tasks.lacking = plan.tasks.lacking
        return _loaded(instead)
    return plan
