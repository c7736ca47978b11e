"""The wire: servicers, conversion, one error table, health and reflection.

Each call passes: deserialise -> authenticate the caller -> convert -> one use case -> convert.
`calls.py` is that path; there are no interceptors to look for elsewhere.
"""
