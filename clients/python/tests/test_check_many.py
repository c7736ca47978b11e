"""Many credentials at once: one verdict each, in order, or an error."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest

from orchestrator.auth import (
    InvalidArgument,
    MalformedResponse,
    Question,
    RequestContext,
    Secret,
    Unavailable,
    Undecided,
    Verdict,
)
from orchestrator.auth.v1 import (
    auth_service_pb2,
    error_reason_pb2,
    freshness_pb2,
    undecided_pb2,
)

RPC = "BatchValidateCredentials"


async def test_there_is_a_verdict_for_each_credential_in_order(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(
        RPC, answers.batch(answers.good(), answers.refused(), answers.good(account_id="b"))
    )

    verdicts = await client.check_many(["Bearer x", "Bearer y", "Bearer z"])

    assert [type(verdict) for verdict in verdicts] == [Verdict] * 3
    assert [bool(verdict) for verdict in verdicts] == [True, False, True]
    assert verdicts[2].principal.account_id == "b"
    assert len(server.calls) == 1


async def test_each_question_is_sent_with_its_own_demands(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(RPC, answers.batch(*[answers.good()] * 6))

    await client.check_many(
        [
            "Bearer x",
            None,
            Secret("orch_x"),
            Question("y", required_scopes=["a:b"], at_least_revision=4),
            Question(Secret("z"), authoritative=True, context=RequestContext("192.0.2.1")),
            Question(None),
        ]
    )

    one = auth_service_pb2.ValidateCredentialRequest
    demand = freshness_pb2.FreshnessRequirement
    assert list(server.calls[0].request.requests) == [
        one(credential="Bearer x"),
        one(),
        one(credential="orch_x"),
        one(credential="y", required_scopes=["a:b"], freshness=demand(at_least_revision=4)),
        one(
            credential="z",
            freshness=demand(authoritative=True),
            context=auth_service_pb2.RequestContext(client_ip="192.0.2.1"),
        ),
        one(),
    ]


async def test_no_question_has_no_verdict(client: Any, server: Any, answers: Any) -> None:
    server.script(RPC, answers.batch())

    assert await client.check_many([]) == []


async def test_questions_may_come_from_a_generator(client: Any) -> None:
    assert len(await client.check_many(header for header in ["x"])) == 1


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_another_number_of_verdicts_never_passes(
    client: Any, server: Any, answers: Any, count: int
) -> None:
    server.script(RPC, answers.batch(*[answers.good()] * count))

    with pytest.raises(MalformedResponse, match="one verdict for each question"):
        await client.check_many(["x", "y"])


async def test_one_broken_verdict_spoils_all(client: Any, server: Any, answers: Any) -> None:
    broken = auth_service_pb2.ValidateCredentialResponse()
    server.script(RPC, answers.batch(answers.good(), broken))

    with pytest.raises(MalformedResponse):
        await client.check_many(["x", "y"])


async def test_the_bound_on_the_number_is_the_servers(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(RPC, answers.Failure(grpc.StatusCode.INVALID_ARGUMENT))

    with pytest.raises(InvalidArgument):
        await client.check_many(["x"] * 1001)

    assert len(server.calls[0].request.requests) == 1001


async def test_an_answer_past_the_librarys_bound_is_read(
    client: Any, server: Any, answers: Any
) -> None:
    longest = answers.good(
        scopes=[f"{number:0128}" for number in range(50)],
        metadata={f"{number:064}": "\N{GRINNING FACE}" * 512 for number in range(32)},
    )
    # A hundred are past the library's own bound, and a tenth of what ours must hold.
    assert 40_000 < longest.ByteSize() < (128 << 20) / 1000
    server.script(RPC, answers.batch(*[longest] * 100))

    verdicts = await client.check_many(["x"] * 100, timeout=60)

    assert len(verdicts) == 100


async def test_one_text_is_no_sequence_of_credentials(client: Any, server: Any) -> None:
    with pytest.raises(TypeError, match="not a str"):
        await client.check_many("Bearer x")

    assert server.calls == []


@pytest.mark.parametrize("wrong", [b"Bearer x", 1, Question(1)])  # type: ignore[arg-type]
async def test_what_is_no_credential_is_a_mistake(client: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="authorization is a str, a Secret or None"):
        await client.check_many(["x", wrong])


async def test_two_demands_on_freshness_are_a_mistake(client: Any) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        await client.check_many([Question("x", at_least_revision=1, authoritative=True)])


def test_a_question_does_not_show_its_credential() -> None:
    assert "hidden" not in repr(Question("Bearer hidden", required_scopes=("a",)))


async def test_what_nobody_can_tell_counts_as_false_and_leaves_the_others_alone(
    client: Any, server: Any, answers: Any
) -> None:
    undecided = undecided_pb2.Undecided(reason=error_reason_pb2.ERROR_REASON_ISSUER_UNAVAILABLE)
    undecided.retry_delay.FromTimedelta(timedelta(seconds=2))
    nobody_can_tell = auth_service_pb2.ValidateCredentialResponse(undecided=undecided)
    server.script(RPC, answers.batch(answers.good(), nobody_can_tell, answers.refused()))

    good, unknown, refused = await client.check_many(["x", "y", "z"])

    assert [bool(one) for one in (good, unknown, refused)] == [True, False, False]
    assert isinstance(unknown, Undecided)
    assert (unknown.principal, unknown.denial) == (None, None)
    assert isinstance(unknown.error, Unavailable)
    assert unknown.error.reason == "ISSUER_UNAVAILABLE"
    assert unknown.error.retry_delay == timedelta(seconds=2)


async def test_what_nobody_can_tell_says_when_to_ask_again(
    client: Any, server: Any, answers: Any
) -> None:
    without = auth_service_pb2.ValidateCredentialResponse(undecided=undecided_pb2.Undecided())
    server.script(RPC, answers.batch(without))

    with pytest.raises(MalformedResponse, match="retry_delay"):
        await client.check_many(["x"])


async def test_a_single_call_is_never_left_undecided(client: Any, server: Any) -> None:
    undecided = auth_service_pb2.ValidateCredentialResponse(undecided=undecided_pb2.Undecided())
    server.script("ValidateCredential", undecided)

    with pytest.raises(MalformedResponse, match="neither a principal nor a denial"):
        await client.check("x")
