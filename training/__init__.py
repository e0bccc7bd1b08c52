"""Train, compare and ship models: ``python -m training --help``. Serving imports none of it."""
