"""What users ask for: one schema each behind flags, YAML files, forms and Python calls."""
