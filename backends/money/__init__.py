"""What calls cost: prices, estimates, budgets, and what is put aside before a call."""
