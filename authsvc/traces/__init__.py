"""Traces by OpenTelemetry. Nothing here is imported unless traces are exported (docs/traces.md)."""
