"""The benchmarks: what validations cost, how soon a revocation is felt, and what lasts.

- `python -m benchmarks` (`make bench`): the service beside a bare grpc.aio server, under h2load.
- `python -m benchmarks.freshness` (`make bench-freshness`): from a revocation to its denials.
- `python -m benchmarks.soak`: mixed load with revocations, for as long as one likes.
- `python -m benchmarks.failover`: what callers see when the database fails over.

Each starts an embedded Postgres and the real service, checks the answers, and writes its own part
of `RESULTS.md`. Linux; h2load comes with the package nghttp2-client. Depends on authsvc's public
parts and its command line.
"""
