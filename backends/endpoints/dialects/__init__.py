"""How one kind of endpoint each is asked, and how its answers read."""
