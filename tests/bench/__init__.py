"""``make bench``: the path against a bare echo, in one run; writes docs/benchmarks.md."""
