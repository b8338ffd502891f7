"""What every remote call passes through on its way to a response."""
