"""The benchmark: what a validation costs beside an empty call on the same machine.

`python -m benchmarks` (or `make bench`) starts a bare grpc.aio server and the real service on an
embedded Postgres, loads both in turn with h2load, and writes `RESULTS.md`. Linux; h2load comes
with the package nghttp2-client. Depends on authsvc's public parts and its command line.
"""
