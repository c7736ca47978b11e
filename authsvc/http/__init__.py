"""HTTP beside gRPC: what browsers, probes and proxies ask for. Built on use cases, as `rpc` is."""
