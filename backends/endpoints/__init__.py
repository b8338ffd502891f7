"""Models behind HTTP: how requests become calls of an endpoint's dialect, and what its answers say."""
