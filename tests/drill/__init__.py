"""The attacks of docs/security.md, repeated: `python -m tests.drill`."""
