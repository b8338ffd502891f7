"""Two runs, document by document: what differs, and whether that may be chance."""
