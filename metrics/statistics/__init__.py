"""How sure a number is: standard errors, intervals, paired differences."""
