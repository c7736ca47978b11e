"""Passwords: their hashing, and those that everybody guesses first. Depends on the domain only."""
