"""Who answers: one module a backend, behind one protocol (see `backends.protocol`)."""
