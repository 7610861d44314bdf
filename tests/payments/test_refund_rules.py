"""Who may give how much back alone, and who is the second person: the whole table."""

from datetime import timedelta

import pytest

from merchants.models import Role
from payments.refunding.rules import Rules, may_agree, may_alone
from tests.conftest import NOW

CLERK, MANAGER, OWNER = Role.clerk, Role.manager, Role.owner
RULES = Rules(clerk_fen=20_00, clerk_minutes=30, manager_fen=500_00)


@pytest.mark.parametrize(
    ("role", "fen", "minutes", "alone"),
    [
        (CLERK, 20_00, 0, True),
        (CLERK, 20_00, 30, True),
        (CLERK, 20_00, 31, False),
        (CLERK, 20_01, 1, False),
        (CLERK, 1, None, False),
        (MANAGER, 20_01, None, True),
        (MANAGER, 500_00, 9_999, True),
        (MANAGER, 500_01, 1, False),
        (OWNER, 500_01, 9_999, True),
        (OWNER, 9_999_99, None, True),
    ],
)
def test_alone(role: Role, fen: int, minutes: int | None, alone: bool) -> None:
    paid_at = None if minutes is None else NOW - timedelta(minutes=minutes)

    assert may_alone(RULES, role, fen, paid_at=paid_at, now=NOW) is alone


@pytest.mark.parametrize(
    ("role", "asked_by", "fen", "agrees"),
    [
        (CLERK, CLERK, 1, False),
        (CLERK, MANAGER, 1, False),
        (MANAGER, CLERK, 500_00, True),
        (MANAGER, CLERK, 500_01, False),
        (MANAGER, None, 500_01, False),
        (MANAGER, MANAGER, 500_01, True),
        (MANAGER, OWNER, 500_01, True),
        (OWNER, CLERK, 9_999_99, True),
        (OWNER, None, 9_999_99, True),
    ],
)
def test_agreeing(role: Role, asked_by: Role | None, fen: int, agrees: bool) -> None:
    assert may_agree(RULES, role, asked_by, fen) is agrees


def test_until_the_owner_says_otherwise_no_clerk_gives_anything_back() -> None:
    assert not may_alone(Rules(), CLERK, 1, paid_at=NOW, now=NOW)
    assert may_alone(Rules(), MANAGER, 1_000_00, paid_at=NOW, now=NOW)
    assert not may_alone(Rules(), MANAGER, 1_000_01, paid_at=NOW, now=NOW)
