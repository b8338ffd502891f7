"""Models behind a server of their own, which is started for them and ends with this process."""
