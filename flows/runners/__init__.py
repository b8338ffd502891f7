"""Where shards are asked: in the flow's process, or by workers of Dask, Ray or a Prefect work pool."""
