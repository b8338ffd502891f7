"""Models through vLLM's engine in this process; `backends.served` has its server, and SGLang's.

Importing this package loads neither vLLM nor torch.
"""
