"""The keyring and all that turns it: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from datetime import timedelta

from authsvc.config import Settings
from authsvc.config_values import decode_encryption_key
from authsvc.domain.clock import Clock
from authsvc.domain.signing_keys import RotationSchedule
from authsvc.postgres.database import Database
from authsvc.postgres.signing_keys import PostgresSigningKeys
from authsvc.tokens.answer_sealing import AnswerSealer
from authsvc.tokens.current_signer import CurrentSigner
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.page_tokens import PageTokens
from authsvc.tokens.sealing import Sealer
from authsvc.tokens.stored_keys import StoredKeys
from authsvc.usecases.get_jwks import GetJwks
from authsvc.usecases.keep_rotating import KeepRotating
from authsvc.usecases.reencrypt_keyring import ReencryptKeyring
from authsvc.usecases.rotate_signing_key import RotateSigningKey
from authsvc.usecases.signing_key_rotation import SigningKeyRotation


@dataclass(frozen=True, slots=True)
class Signing:
    """What stands between access tokens and the keys that sign them."""

    store: PostgresSigningKeys
    stored_keys: StoredKeys
    keyring: Keyring
    rotation: SigningKeyRotation
    keep_rotating: KeepRotating
    get_jwks: GetJwks
    rotate_signing_key: RotateSigningKey
    reencrypt: ReencryptKeyring


def build_signing(
    settings: Settings, database: Database, *, outage_max_age: timedelta | None, clock: Clock
) -> Signing:
    """Build the keyring on an open pool.

    Args:
        settings: All of them.
        database: Where the keyring is.
        outage_max_age: How old it may be in memory while the database is away.
        clock: The source of time.
    """
    current, previous = encryption_keys(settings)
    store = PostgresSigningKeys(database)
    stored_keys = StoredKeys(
        sealer=Sealer(current, os.urandom),
        previous=None if previous is None else Sealer(previous, os.urandom),
        random_bytes=os.urandom,
    )
    keyring = Keyring(
        store=store,
        stored_keys=stored_keys,
        algorithm=settings.token_algorithm,
        leeway=settings.leeway,
        max_age=timedelta(seconds=settings.max_staleness),
        outage_max_age=outage_max_age,
        clock=clock,
        monotonic=time.monotonic,
    )
    rotation = SigningKeyRotation(
        keys=store,
        maker=stored_keys,
        schedule=RotationSchedule(
            lifetime=timedelta(days=settings.signing_key_lifetime) or None,
            lead=timedelta(seconds=settings.signing_key_lead),
        ),
        algorithm=settings.token_algorithm,
        leeway=settings.leeway,
        clock=clock,
    )
    return Signing(
        store=store,
        stored_keys=stored_keys,
        keyring=keyring,
        rotation=rotation,
        keep_rotating=KeepRotating(rotation=rotation, jitter=random.random),
        get_jwks=GetJwks(keyring),
        rotate_signing_key=RotateSigningKey(rotation=rotation, published=keyring, clock=clock),
        reencrypt=ReencryptKeyring(keys=store, seals=stored_keys),
    )


def current_signer(settings: Settings, keyring: Keyring) -> CurrentSigner:
    """Return what signs access tokens, each with the key that signs then."""
    return CurrentSigner(
        keyring=keyring, issuer=settings.token_issuer, audience=settings.token_audience
    )


def encryption_keys(settings: Settings) -> tuple[bytes, bytes | None]:
    """Return the encryption key, and the second one that opens only, or None."""
    previous = settings.encryption_key_previous
    return (
        decode_encryption_key(settings.encryption_key.get_secret_value()),
        None if previous is None else decode_encryption_key(previous.get_secret_value()),
    )


def answer_sealers(settings: Settings) -> tuple[AnswerSealer, AnswerSealer | None]:
    """Return what seals answers to repeats, and what opens those of before, or None."""
    current, previous = encryption_keys(settings)
    return (
        AnswerSealer(current, os.urandom),
        None if previous is None else AnswerSealer(previous, os.urandom),
    )


def page_tokens(settings: Settings) -> PageTokens:
    """Return what makes and reads page tokens."""
    return PageTokens(*encryption_keys(settings))
