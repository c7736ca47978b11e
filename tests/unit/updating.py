"""Updates of a key that is kept in memory."""

from __future__ import annotations

from datetime import timedelta

from authsvc.domain.callers import Caller
from authsvc.domain.keys import Key
from authsvc.usecases.update_key import UpdateKey, UpdateKeyCommand
from tests.unit.examples import NOW, a_caller
from tests.unit.managed_keys import ManagedKeys
from tests.unit.stores import a_call

DAY = timedelta(days=1)
NARROW = a_caller("keys:*")


async def update(caller: Caller, command: UpdateKeyCommand, store: ManagedKeys) -> Key:
    return await UpdateKey(store=store, clock=lambda: NOW)(command, a_call(caller))
