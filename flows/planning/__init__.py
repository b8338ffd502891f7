"""From a spec to what will be asked: tasks, model, store, requests, and how steps are cut and keyed."""
