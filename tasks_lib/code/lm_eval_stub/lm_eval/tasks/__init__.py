"""The folders of task files, so that task code finds what lies beside it by its name in lm-eval."""
