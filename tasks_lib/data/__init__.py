"""Where documents come from, and which are evaluated or shown as examples."""
