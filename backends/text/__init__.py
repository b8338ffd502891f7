"""What all backends make of texts: generation parameters, thinking, rolling windows."""
