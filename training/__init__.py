"""Train, compare and ship spam models: ``python -m training --help``. Serving imports none of it."""
