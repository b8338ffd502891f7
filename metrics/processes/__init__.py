"""Processes of their own for work that may run away; they import nothing of the project."""
