"""The Prefect flow that leads each task through the steps, and how a run starts, pauses and is rescored."""
