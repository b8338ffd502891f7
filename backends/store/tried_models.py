"""Whether a model's answers of earlier versions may stand, which took on trust that texts may share work.

It is found out once for each model that has answers in the store, and written down beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from backends.store.database import Database
from backends.store.statements import INSERTS
from backends.store.tables import RESPONSES, TRIED_MODELS


@dataclass(frozen=True, slots=True)
class TriedModels:
    """Of one store. Raises BackendError as the store does."""

    database: Database

    def stands(self, model: str, trial: Callable[[], bool]) -> bool:
        """Whether answers under a model's key may stand. trial: finds it out, where there are answers of
        which nobody knows it."""
        known = self.known(model)
        if known is None:
            stands = trial() if self._has_answers(model) else True
            self.database.write(lambda connection: _note(connection, model, stands))
            known = self.known(model)  # of two runs at once the first decides for both
        return bool(known)

    def known(self, model: str) -> bool | None:
        """Whether they may, where it was found out."""
        query = sa.select(TRIED_MODELS.c.stands).where(TRIED_MODELS.c.model == model)
        return self.database.do(lambda connection: connection.execute(query).scalar_one_or_none())

    def _has_answers(self, model: str) -> bool:
        query = sa.select(RESPONSES.c.key).where(RESPONSES.c.model == model).limit(1)
        return self.database.do(lambda connection: connection.execute(query).first()) is not None


def _note(connection: sa.Connection, model: str, stands: bool) -> None:
    insert = INSERTS[connection.dialect.name](TRIED_MODELS)
    connection.execute(insert, [{"model": model, "stands": stands}])
