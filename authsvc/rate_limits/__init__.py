"""The counts behind the rate limits of keys, by the library `limits` (docs/adr/0011).

This package alone knows that library and the client of Redis. Of authsvc it imports the domain.
"""
