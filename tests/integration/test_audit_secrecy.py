"""No secret, and no digest of one, is in any row of the audit log."""

from __future__ import annotations

import base64
import contextlib
import uuid

from authsvc.domain.key_secrets import digest_of
from orchestrator.auth import AuthServiceError
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_management_pb2 as key_pb
from orchestrator.auth.v1.key_pb2 import Key
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, mint, refused
from tests.integration.support_audit import rows_of


async def test_a_life_full_of_secrets_leaves_none_in_the_log(
    service: Service, stubs: Stubs
) -> None:
    account_id, request_id = service.account.account_id, str(uuid.uuid4())
    token, admin, unknown = await mint(service), service.admin_key, "orch_" + "ab" * 20
    secrets = [admin, unknown, token, request_id]

    # Every way in which a secret is made, told again, or ends
    async with service.client() as client:
        for _ in range(2):
            created = await client.create_key("ci", account_id=account_id, request_id=request_id)
        rotated = await client.rotate_key(created.key.key_id)
        secrets += [created.secret.reveal(), rotated.secret.reveal()]
        await client.revoke_key(secret=created.secret)
        await client.revoke_key(secret=created.secret)
        with contextlib.suppress(AuthServiceError):
            await client.revoke_key(secret=unknown)

    # And every place into which one may be put by mistake
    for caller in (admin, token, unknown, rotated.secret.reveal()):
        for misplaced in secrets:
            who = bearer(caller)
            stub = stubs.auth
            await refused(stub.GetKey(key_pb.GetKeyRequest(key_id=misplaced), metadata=who))
            await refused(
                stub.CreateKey(
                    pb.CreateKeyRequest(account_id=misplaced, name=fresh_name()), metadata=who
                )
            )
            await refused(
                stub.UpdateKey(
                    key_pb.UpdateKeyRequest(key=Key(key_id=misplaced, etag=misplaced)),
                    metadata=who,
                )
            )
            await refused(stub.RevokeKey(pb.RevokeKeyRequest(key_id=misplaced), metadata=who))

    rows = await rows_of(service)
    # All that the log has, as text, in which a digest might be in hexadecimal or base 64.
    log = "\n".join(repr(dict(row)) for row in rows).lower()
    assert len(rows) > 15
    for secret in secrets:
        assert secret.lower() not in log
        assert secret.removeprefix("orch_").lower() not in log
        digest = digest_of(secret)
        assert digest.hex() not in log
        assert repr(digest)[2:-1].lower() not in log
        assert base64.b64encode(digest).decode().rstrip("=").lower() not in log
