"""Codes are checked, rotating forms live a minute and a grace step."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coupons import codes
from coupons.errors import CodeExpired, CouponNotFound


def test_new_codes_are_well_formed_and_differ() -> None:
    made = {codes.new_code() for _ in range(1000)}

    assert len(made) == 1000
    assert all(codes.is_code(code) for code in made)


@given(st.integers(0, 10**11 - 1), st.integers(0, 11), st.integers(1, 9))
def test_any_wrong_digit_is_noticed(number: int, place: int, step: int) -> None:
    digits = f"{number:011d}"
    code = digits + codes.check_digit(digits)
    wrong = code[:place] + str((int(code[place]) + step) % 10) + code[place + 1 :]

    assert not codes.is_code(wrong)


def test_a_token_works_in_its_step_and_the_next_and_then_expires(app: Flask, now: datetime) -> None:
    code = "31415926535" + codes.check_digit("31415926535")  # four digits of two steps may agree
    begin = now.replace(second=0, microsecond=0)

    token, until = codes.rotating(code, begin)
    typed = codes.typed(code, begin)

    assert until == begin + timedelta(seconds=60)
    for text in (token, typed):
        for seconds in (0, 59, 119):
            reading = codes.read(text, begin + timedelta(seconds=seconds))
            assert reading == codes.Reading(code, fresh=True)
        with pytest.raises(CodeExpired):
            codes.read(text, begin + timedelta(seconds=120))
        with pytest.raises(CodeExpired):
            codes.read(text, begin - timedelta(seconds=1))


def test_a_bare_code_names_the_coupon_but_is_not_fresh(app: Flask, now: datetime) -> None:
    code = codes.new_code()

    spaced = f"{code[:4]} {code[4:8]}-{code[8:]}"

    assert codes.read(spaced, now) == codes.Reading(code, fresh=False)


@pytest.mark.parametrize("change", ["mac", "code", "step", "prefix", "short"])
def test_a_forged_token_is_refused(app: Flask, now: datetime, change: str) -> None:
    prefix, code, step, mac = codes.rotating(codes.new_code(), now)[0].split(".")
    forged = {
        "mac": f"{prefix}.{code}.{step}.{mac[::-1]}",
        "code": f"{prefix}.{codes.new_code()}.{step}.{mac}",
        "step": f"{prefix}.{code}.{int(step) + 1}.{mac}",
        "prefix": f"LL2.{code}.{step}.{mac}",
        "short": f"{prefix}.{code}.{step}",
    }[change]

    with pytest.raises(CouponNotFound):
        codes.read(forged, now)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(app: Flask, text: str) -> None:
    now = datetime.fromisoformat("2026-11-22T12:00:00+08:00")
    for candidate in (text, f"LL1.{text}", f"LL1.000000000002.{text}.x"):
        with pytest.raises((CouponNotFound, CodeExpired)):
            codes.read(candidate, now)
