"""How often Python looks for garbage in a process that asks a model."""

import gc


def look_less_often() -> None:
    """Requests and responses make no cycles, but there are so many that looking for some takes a tenth of the
    time."""
    gc.set_threshold(50_000, 20, 100)
