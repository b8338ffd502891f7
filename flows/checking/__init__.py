"""Finished runs whose numbers are other ones by the rules of now: which, why, and what mends them."""
