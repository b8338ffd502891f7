"""Models without a neural network: constants to compare with, and answers that are written down."""
