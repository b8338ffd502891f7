"""Errors, text tables, event loops: what every other package of `flows` may use."""
