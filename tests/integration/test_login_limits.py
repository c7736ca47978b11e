"""Failed log-ins make wait: counted for all servers together, and nobody is shut out for good."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest

from authsvc import app
from authsvc.config import Settings
from authsvc.domain.clock import TimeLimit
from authsvc.domain.errors import (
    DatabaseUnavailable,
    LoginRefused,
    TooManyFailedLogins,
    TooManyLogins,
)
from authsvc.domain.users import User
from authsvc.postgres.session_housekeeping import PostgresSessionHousekeeping
from authsvc.usecases.call import OpenCall
from tests.conftest import ORIGIN, Service, serving
from tests.integration.support import Stubs, refused
from tests.integration.support_sessions import (
    CAFE,
    HOME,
    Sessions,
    a_person,
    login_of,
)

WRONG = "another horse battery"


async def fail(sessions: Sessions, person: User | str, times: int, address: str = HOME) -> None:
    """Fail to log in, and wait each time as long as is asked for."""
    for _ in range(times):
        while True:
            try:
                await sessions.log_in(person, WRONG, address)
            except TooManyFailedLogins as error:
                sessions.clock.move(seconds=error.retry_delay.total_seconds())
            except LoginRefused:
                break


async def wait_of(sessions: Sessions, person: User | str, address: str = HOME) -> int:
    """Return how many seconds the next attempt has to wait, rounded up; 0: it is looked at."""
    try:
        await sessions.log_in(person, WRONG, address)
    except TooManyFailedLogins as error:
        return -(error.retry_delay // -timedelta(seconds=1))
    except LoginRefused:
        return 0
    raise AssertionError


@pytest.mark.parametrize("is_known", [True, False])
async def test_each_failure_doubles_the_wait(service: Service, is_known: bool) -> None:  # noqa: FBT001
    sessions = Sessions(service)
    someone = await a_person(service) if is_known else f"nobody-{is_known}@example.com"
    await fail(sessions, someone, 5)
    waits = []
    for _ in range(11):
        waits.append(await wait_of(sessions, someone))
        await fail(sessions, someone, 1)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_one_may_log_in_when_the_wait_is_over(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await fail(sessions, person, 7)

    with pytest.raises(TooManyFailedLogins) as caught:
        await sessions.log_in(person)
    sessions.clock.move(seconds=caught.value.retry_delay.total_seconds())

    await sessions.log_in(person)


async def test_attempts_during_a_wait_do_not_prolong_it(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await fail(sessions, person, 8)

    assert [await wait_of(sessions, person) for _ in range(5)] == [8] * 5


async def test_a_log_in_makes_failures_forgotten(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await fail(sessions, person, 4)

    await sessions.log_in(person)
    await fail(sessions, person, 4)

    assert await wait_of(sessions, person) == 0


async def test_failures_are_forgotten_after_a_day(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await fail(sessions, person, 8)

    sessions.clock.move(days=1)
    await fail(sessions, person, 4)

    assert await wait_of(sessions, person) == 0


async def test_who_guesses_from_many_addresses_waits_a_minute_at_most(
    service: Service,
) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    waits = []
    for number in range(30):
        address = f"203.0.113.{number}"
        waits.append(await wait_of(sessions, person, address))
        await fail(sessions, person, int(waits[-1] > 0), address)

    assert waits == [0] * 20 + [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


async def test_who_logged_in_from_there_before_is_not_shut_out(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await sessions.log_in(person, address=HOME)
    for number in range(25):
        await fail(sessions, person, 1, f"203.0.113.{number}")

    with pytest.raises(TooManyFailedLogins):
        await sessions.log_in(person, address=CAFE)
    await sessions.log_in(person, address=HOME)


async def test_an_address_is_known_for_ninety_days(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await sessions.log_in(person, address=HOME)
    sessions.clock.move(days=90, seconds=1)
    for number in range(25):
        await fail(sessions, person, 1, f"203.0.113.{number}")

    with pytest.raises(TooManyFailedLogins):
        await sessions.log_in(person, address=HOME)


async def test_what_others_know_by_heart_spares_nobody_else(service: Service) -> None:
    sessions = Sessions(service)
    person, other = await a_person(service), await a_person(service)
    await sessions.log_in(other, address=HOME)
    for number in range(25):
        await fail(sessions, person, 1, f"203.0.113.{number}")

    with pytest.raises(TooManyFailedLogins):
        await sessions.log_in(person, address=HOME)


async def test_who_tries_many_people_from_one_address_waits(service: Service) -> None:
    sessions = Sessions(service)
    at_home = await a_person(service)
    await sessions.log_in(at_home, address="2001:db8:1:2::3")
    for number in range(50):
        await fail(sessions, f"{number}@example.com", 1, f"2001:db8:1:2::{number:x}")

    assert await wait_of(sessions, "next@example.com", "2001:db8:1:2::ffff") == 1
    assert await wait_of(sessions, "next@example.com", "2001:db8:1:3::ffff") == 0
    # A colleague of the guesser's goes on.
    await sessions.log_in(at_home, address="2001:db8:1:2::4")


async def test_a_log_in_of_ones_own_buys_no_guesses(service: Service) -> None:
    sessions = Sessions(service)
    guesser = await a_person(service)
    for number in range(50):
        await fail(sessions, f"{number}@example.com", 1, CAFE)
        if number % 10 == 0:
            await sessions.log_in(guesser, address=CAFE)

    assert await wait_of(sessions, "next@example.com", CAFE) == 1


async def test_of_many_attempts_at_once_no_more_pass_than_one_by_one(
    service: Service, stubs: Stubs
) -> None:
    person = await a_person(service)

    refusals = await asyncio.gather(
        *(refused(stubs.sessions.CreateSession(login_of(person, WRONG))) for _ in range(40))
    )

    reasons = [refusal.reason for refusal in refusals]
    assert set(reasons) == {"LOGIN_REFUSED", "TOO_MANY_FAILED_LOGINS"}
    assert reasons.count("LOGIN_REFUSED") == 5


async def test_the_wait_is_told_and_is_the_same_for_nobody(service: Service, stubs: Stubs) -> None:
    person, seen = await a_person(service), set()
    for who in (person.email, "nobody@example.com"):
        for _ in range(5):
            await refused(stubs.sessions.CreateSession(login_of(who, WRONG)))
        refusal = await refused(stubs.sessions.CreateSession(login_of(who)))
        assert refusal.retry_delay is not None
        assert timedelta(0) < refusal.retry_delay <= timedelta(seconds=1)
        seen.add((refusal.code, refusal.reason, refusal.text))

    (answer,) = seen
    assert answer[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_FAILED_LOGINS")


async def test_failures_count_at_another_replica(settings: Settings) -> None:
    async with serving(settings) as one, serving(settings) as two:
        here, there = Sessions(one), Sessions(two)
        person = await a_person(one)
        await fail(here, person, 3)
        await fail(there, person, 3)

        assert await wait_of(here, person) == 2


async def test_an_attempt_that_waits_hashes_nothing(service: Service) -> None:
    sessions, hashed = Sessions(service), []
    person = await a_person(service)
    await fail(sessions, person, 5)
    hasher = service.parts.hasher

    class Counting:
        async def verify(self, *arguments: object) -> object:
            hashed.append(arguments)
            return await hasher.verify(*arguments)  # type: ignore[arg-type]

        async def verify_dummy(self, *arguments: object) -> None:
            hashed.append(arguments)

    sessions.servicer._create_session._verify_password._hasher = Counting()  # type: ignore[assignment] # noqa: SLF001
    assert await wait_of(sessions, person) == 1
    assert hashed == []
    sessions.clock.move(seconds=1)
    await wait_of(sessions, person)
    assert len(hashed) == 1


async def test_an_attempt_that_nobody_looked_at_is_not_counted(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)

    class Busy:
        async def verify(self, *_: object) -> object:
            raise TooManyLogins

    verify = sessions.servicer._create_session._verify_password  # noqa: SLF001
    hasher = verify._hasher  # noqa: SLF001
    verify._hasher = Busy()  # type: ignore[assignment] # noqa: SLF001
    for _ in range(10):
        with pytest.raises(TooManyLogins):
            await sessions.log_in(person)
    verify._hasher = hasher  # noqa: SLF001

    await sessions.log_in(person)


async def test_an_attempt_whose_session_could_not_be_kept_is_not_counted(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)

    class Away:
        async def insert_session(self, *_: object, **__: object) -> bool:
            raise DatabaseUnavailable

    create_session = sessions.servicer._create_session  # noqa: SLF001
    store = create_session._store  # noqa: SLF001
    create_session._store = Away()  # noqa: SLF001
    for _ in range(10):
        with pytest.raises(DatabaseUnavailable):
            await sessions.log_in(person)
    create_session._store = store  # noqa: SLF001

    await sessions.log_in(person)


async def test_counts_and_networks_are_deleted_when_their_time_is_over(service: Service) -> None:
    sessions = Sessions(service)
    person = await a_person(service)
    await sessions.log_in(person)
    await fail(sessions, person, 1, CAFE)
    housekeeping = PostgresSessionHousekeeping(service.parts.database)

    async def rows() -> tuple[int, int]:
        row = await service.parts.database.fetch_row(
            app.time_limit(),
            "SELECT (SELECT count(*) FROM authsvc.login_failures) AS failures,"
            " (SELECT count(*) FROM authsvc.login_networks) AS networks",
        )
        assert row is not None
        return row["failures"], row["networks"]

    async def rows_after(days: float) -> tuple[int, int]:
        sessions.clock.move(days=days)
        await housekeeping.delete_past(sessions.clock(), app.time_limit())
        return await rows()

    before = await rows()
    assert (before[0] >= 3, before[1]) == (True, 1)
    assert await rows_after(1) == (0, 1)
    assert await rows_after(90) == (0, 0)


async def test_no_address_is_stored_that_nobody_has(service: Service) -> None:
    await fail(Sessions(service), "nobody@example.com", 2)

    row = await service.parts.database.fetch_row(
        app.time_limit(), "SELECT string_agg(f::text, ' ') AS all FROM authsvc.login_failures f"
    )

    assert row is not None
    assert "nobody" not in row["all"]


@pytest.mark.parametrize("counts_anew", [True, False])
async def test_the_wait_for_a_hash_is_not_taken_from_the_time_for_the_database(
    service: Service,
    counts_anew: bool,  # noqa: FBT001
) -> None:
    sessions, elapsed = Sessions(service), [0.0]
    person, hasher = await a_person(service), service.parts.hasher

    class Slow:
        async def verify(self, *arguments: object) -> object:
            elapsed[0] += 100
            return await hasher.verify(*arguments)  # type: ignore[arg-type]

    def new_deadline() -> TimeLimit:
        return TimeLimit(10, lambda: elapsed[0])

    verify = sessions.servicer._create_session._verify_password  # noqa: SLF001
    verify._hasher = Slow()  # type: ignore[assignment] # noqa: SLF001
    call = OpenCall(new_deadline(), HOME, ORIGIN, new_deadline if counts_anew else None)
    logging_in = sessions.servicer.create_session_open(login_of(person), call)

    if counts_anew:
        assert (await logging_in).session.user_id == person.user_id
    else:
        with pytest.raises(DatabaseUnavailable):
            await logging_in
