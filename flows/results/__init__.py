"""What a finished run is on disk: `results.json`, samples and calls, and how they are read again."""
