"""All attacks, by the sections of docs/security.md."""

from tests.drill import endings, keys, programs, run_folders, strangers
from tests.drill.attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *programs.ATTACKS,
    *strangers.ATTACKS,
    *run_folders.ATTACKS,
    *keys.ATTACKS,
    *endings.ATTACKS,
)
