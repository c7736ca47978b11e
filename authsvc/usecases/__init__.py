"""What callers can ask of the service, one small class each.

A use case checks the caller's rights, then the request, then acts through ports: Protocols that
stand beside the code that needs them. It knows domain rules and nothing of wire or database.
"""
