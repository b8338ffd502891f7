"""Where finished runs are published to: one sink a file, and the table of them."""
