"""Of lm-eval what task code imports."""
