"""Some of lm-eval's names for task code; see `tasks_lib.code.lm_eval_stub`."""
