"""Processes of their own, which end with the one that started them, for work that may run away."""
