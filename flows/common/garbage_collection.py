"""How often Python looks for garbage in a process of ours."""

import gc


def look_less_often() -> None:
    """Modules stay, and requests and responses make no cycles, but there are so many of them that looking for
    some takes a fifth of the time of a short run, and a tenth of that of a long one."""
    gc.set_threshold(50_000, 20, 100)
