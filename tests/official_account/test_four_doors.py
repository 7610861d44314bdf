"""A coupon is the same at every door: scanned in the chat, typed, said, or at a till."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock, lockouts
from core.database import reading, transaction
from coupons import codes, redemption
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate, EntryKind
from crm.models import Member
from merchants import api_keys
from merchants.models import Staff
from people import logins
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.official_account.conftest import TeaShop
from tests.official_account.test_following import event, post
from tests.official_account.test_talking import make_clerk

WHO = "xiaozhou"
REDEEMED = "核销好了"
LATER = timedelta(minutes=3)


@dataclass
class Doors:
    """One clerk of one store, their browser, their chat, and the store's till."""

    tea: TeaShop
    browser: Any
    secret: str
    member: Member
    taps: int = 0
    scans: int = 0

    def scanned(self, code: str) -> str:
        """In the chat's menu; the link that it answers with leads to the counter's page."""
        self.scans += 1
        result = {"ScanType": "qrcode", "ScanResult": code}
        at = int(clock.now().timestamp()) + self.scans  # two in one second would be a repetition
        given: dict[str, Any] = {"EventKey": "redeem", "ScanCodeInfo": result, "CreateTime": at}
        status, told = post(self.tea.shop, event(self.tea.shop, "scancode_waitmsg", WHO, **given))
        assert status == 200
        return self.typed(code) if "确认核销 →" in told else told

    def typed(self, code: str) -> str:
        self.taps += 1
        fields = {"code": code, "key": f"tap-{self.taps}", "csrf_token": self.token()}
        answer = self.browser.post("/console/redeem/confirm", data=fields)
        return REDEEMED if answer.status_code == 303 else str(answer.text)

    def said(self, code: str) -> str:
        told = self.say(f"核销 {code}")
        return self.say("确认") if "回复「确认」" in told else told

    def till(self, code: str) -> str:
        self.taps += 1
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Idempotency-Key": f"till-tap-{self.taps:04}",
        }
        client = self.tea.shop.app.test_client()
        answer: Any = client.post("/open/v1/redemptions", json={"code": code}, headers=headers)
        return REDEEMED if answer.status_code == 200 else str(answer.json["detail"])

    def looked_up(self, code: str) -> str:
        headers = {"Authorization": f"Bearer {self.secret}"}
        client = self.tea.shop.app.test_client()
        answer: Any = client.get(f"/open/v1/coupons/{code}", headers=headers).json
        return str(answer.get("problem", answer.get("detail")))

    def say(self, text: str) -> str:
        self.tea.shop.say(WHO, text)
        return str(self.tea.shop.chat(WHO)[-1]["text"])

    def token(self) -> str:
        page = self.browser.get("/console/more").get_data(as_text=True)
        found = re.search(r'"X-CSRFToken": "([^"]+)"', page)
        assert found
        return found[1]

    @property
    def every(self) -> tuple[Callable[[str], str], ...]:
        return self.scanned, self.typed, self.said, self.till

    def coupon(self, template: dict[str, Any] | None = None, **values: Any) -> Coupon:
        with transaction() as session:
            kind = make_template(
                session, self.tea.merchant, min_spend_fen=0, per_member_limit=100, **template or {}
            )
            made = make_coupon(session, self.member, kind, now=clock.now() - timedelta(hours=1))
            for name, value in values.items():
                setattr(made, name, value)
            session.flush()
            return made

    def forget(self) -> None:
        """Wrong codes of the row before count no more."""
        with transaction() as session:
            clerk = session.scalars(select(Staff)).one()
            lockouts.clear(session, redemption.guesses_of(clerk.id), now=clock.now())


@pytest.fixture
def doors(tea: TeaShop) -> Doors:
    make_clerk(tea)
    tea.shop.wechat.set_mode("plain")
    with transaction() as session:
        clerk = session.scalars(select(Staff)).one()
        token = logins.open_session(
            session,
            person=None,
            identity=None,
            audience="staff",
            lifetime=timedelta(hours=1),
            now=clock.now(),
            staff_id=clerk.id,
        )
        _, secret = api_keys.make(
            session,
            tea.merchant.id,
            name="1 号收银",
            scopes=("coupons.read", "coupons.redeem"),
            store_id=tea.store.id,
            staff_id=clerk.id,
            now=clock.now(),
        )
        member = make_member(session, merchant=tea.merchant)
    browser = tea.shop.app.test_client()
    browser.set_cookie("linli_staff", token, path="/console")
    return Doors(tea, browser, secret, member)


def moves() -> list[EntryKind]:
    with reading() as session:
        return list(session.scalars(select(CouponEntry.kind).order_by(CouponEntry.id)))


def test_each_door_redeems_once_and_the_others_say_when_and_where(doors: Doors) -> None:
    for door in doors.every:
        coupon = doors.coupon()
        assert door(coupon.code).startswith(REDEEMED)
        for other in doors.every:
            assert "在静安寺店用过了" in other(coupon.code)
        assert "在静安寺店用过了" in doors.looked_up(coupon.code)
    assert moves().count(EntryKind.redeemed) == 4


def test_the_doors_refuse_alike_and_nothing_moves(doors: Doors) -> None:
    now = clock.now()
    with transaction() as session:
        there = make_store(session, doors.tea.merchant, name="徐汇店")
        rival = make_merchant(session, code="rival", name="隔壁")
        theirs = make_template(session, rival, min_spend_fen=0)
        rivals = make_coupon(session, make_member(session, merchant=rival), theirs)
    unknown = codes.new_code()
    expired = doors.coupon(expires_at=now - timedelta(seconds=1))
    elsewhere = {"store_ids": [there.id]}
    over_elsewhere = doors.coupon(elsewhere, expires_at=now - timedelta(seconds=1))
    stale, _ = codes.rotating(doors.coupon().code, now - LATER)
    table = [
        (expired.code, "这张券过期了"),
        (doors.coupon(expires_at=now, state=CouponState.expired).code, "这张券过期了"),
        (doors.coupon(elsewhere).code, "这张券只能在徐汇店用"),
        (over_elsewhere.code, "这张券过期了"),
        (doors.coupon(valid_from=now + timedelta(days=1)).code, "这张券还没到可用时间"),
        (doors.coupon(state=CouponState.locked, order_id=1).code, "这张券被另一个订单占用着"),
        (doors.coupon(state=CouponState.locked).code, "这张券正在转送给朋友"),
        (doors.coupon(state=CouponState.void).code, "这张券已经作废"),
        (doors.coupon({"channel": "online"}).code, "只能在小程序下单时用"),
        (stale, "这个码过期了，请顾客换一个新码"),
        (unknown, "没有这张券，看看有没有输错"),
        (rivals.code, "没有这张券，看看有没有输错"),
        ("AAAA0001", "没有这张券，看看有没有输错"),
    ]
    before = moves()
    for code, why in table:
        answers = {door.__name__: door(code) for door in (*doors.every, doors.looked_up)}
        assert {name: why in answer for name, answer in answers.items()} == dict.fromkeys(
            answers, True
        ), (why, answers["said"], answers["scanned"][-300:], answers["till"])
        doors.forget()
    assert moves() == before


def test_an_old_screenshot_is_no_guess_at_any_door(doors: Doors) -> None:
    good = doors.coupon()
    stale, _ = codes.rotating(good.code, clock.now() - LATER)

    for _ in range(4):
        for door in doors.every:
            assert "这个码过期了" in door(stale)
    assert doors.scanned(good.code) == REDEEMED


def test_a_template_that_is_no_longer_given_out_is_still_good(doors: Doors) -> None:
    coupon = doors.coupon()
    with transaction() as session:
        session.execute(update(CouponTemplate).values(state="paused"))

    assert doors.till(coupon.code) == REDEEMED
