"""Programs that a model wrote, and their tests: the tests are where the program is not."""
