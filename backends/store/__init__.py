"""The response store: every answer that was paid for, found again by its key."""
