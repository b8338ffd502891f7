"""What task and group files say: YAML, `include`, keys and their defaults, formats."""
