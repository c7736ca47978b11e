"""Tokens of other issuers: their keys, fetched within bounds, and their verification.

What an issuer sends is a stranger's: it is bounded before it is read, and read strictly. Which
issuers there are is settled at the start and never by a token.
"""
