"""Local models through transformers: any causal language model in a folder or on the hub.

`backends.hf.backend.HFBackend` is the backend; importing this package loads neither torch nor transformers.
"""
