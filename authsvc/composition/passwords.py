"""The hashing of passwords: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import os

from authsvc.config import Settings
from authsvc.passwords.argon2_hasher import Argon2Cost, Argon2Hasher


def password_hasher(settings: Settings) -> Argon2Hasher:
    """Build the hasher, which has threads of its own: close it at the end."""
    return Argon2Hasher(
        Argon2Cost(
            settings.password_time_cost,
            settings.password_memory_kib,
            settings.password_parallelism,
        ),
        threads=settings.password_threads,
        waiting=settings.password_queue,
        random_bytes=os.urandom,
    )
