"""The rules of credentials, keys, scopes and callers.

Pure: no input or output, no clock of its own, and nothing of grpc, protobuf, asyncpg or jwt.
"""
