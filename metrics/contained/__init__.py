"""Functions in a sandbox, of whose work nothing comes out but plain values."""
