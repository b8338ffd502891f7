"""Tasks that are Python classes on lm-eval's `Task`."""
