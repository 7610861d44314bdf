"""操作记录: who, what, when, before and after, in words; of one's own merchant; page by page."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from catalogue import shelf
from catalogue.models import ShelfState
from console import audit_words
from core import audit, security_events
from core.audit import AuditEntry
from core.database import reading
from coupons.models import CouponState, TemplateState
from crm.models import CampaignState
from merchants.models import Merchant, Staff, StaffState, Store
from messaging.broadcasts.models import BroadcastState
from orders.models import OrderState
from tests.console.conftest import Browser, Chain
from tests.factories.catalogue import make_product, make_sku
from tests.factories.coupons import make_template

ROOT = Path(__file__).resolve().parents[2]


def rows(answer: Any) -> list[str]:
    """Each row of the page as one line of text."""
    if "<tbody>" not in answer.text:
        return []
    body = re.sub(r"(?s).*<tbody>|</tbody>.*", "", answer.text)
    lines = (re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)) for row in body.split("</tr>"))
    return [line.strip() for line in lines if line.strip()]


def note(chain: Chain, action: str, subject: str = "scene:1", **values: Any) -> None:
    values = {"actor": f"staff:{chain.owner.id}", "merchant_id": chain.merchant_id, **values}
    with chain.writing() as session:
        audit.record(session, action=action, subject=subject, now=chain.now, **values)


def test_a_change_is_told_in_words(chain: Chain) -> None:
    with chain.writing() as session:
        product = make_product(session, chain.here, name="杨枝甘露")
        sku = make_sku(session, chain.here, product=product, name="大杯", available=5)
        clerk = f"staff:{chain.clerk.id}"
        now = chain.now
        shelf.set_available(
            session, chain.here.id, sku.id, 8, actor=clerk, reason="又做了三杯", now=now
        )
        shelf.set_state(session, chain.here.id, sku.id, ShelfState.sold_out, actor=clerk, now=now)

    sold_out, restocked = rows(chain.browser("owner").get("/audit/"))

    assert re.sub(r"^\S+ ", "", sold_out) == (
        "小周 店员 上下架 杨枝甘露 大杯，静安寺店 状态 在卖 → 售罄"
    )
    assert re.sub(r"^\S+ ", "", restocked) == (
        "小周 店员 改库存 杨枝甘露 大杯，静安寺店 库存 5 → 8 原因：又做了三杯"
    )
    with reading() as session:
        assert set(session.scalars(select(AuditEntry.merchant_id))) == {chain.merchant_id}


def test_what_the_doors_do_stands_in_the_records(chain: Chain) -> None:
    order = chain.order(pickup_number="A012")
    owner = chain.browser("owner")

    owner.post(f"/orders/{order.no}/accept")
    owner.post(f"/stores/staff/{chain.clerk.id}/end")

    ended, accepted = rows(owner.get("/audit/"))
    assert "沈知夏 店主 停用员工 小周 状态 在职 → 已停用" in ended
    assert "沈知夏 店主 接单 订单 A012 状态 待接单 → 已接单" in accepted
    assert f'href="/console/orders/{order.no}"' in owner.get("/audit/").text


def test_a_name_that_says_what_it_is_has_no_field_before_it(chain: Chain) -> None:
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        first, second = (make_template(session, merchant, name=name).id for name in ("甲", "乙"))
    note(chain, "campaign.change", before={"template_id": first}, after={"template_id": second})
    note(chain, "coupon.give", after={"template_id": first})

    given, changed = rows(chain.browser("owner").get("/audit/"))

    assert "券「甲」 → 券「乙」" in changed
    assert "券 券" not in changed + given
    assert "券「甲」" in given


def test_yes_and_no_are_said_as_such(chain: Chain) -> None:
    note(chain, "journey.publish", "journey:1", after={"version": 2, "moved": False})

    (line,) = rows(chain.browser("owner").get("/audit/"))

    assert "里面的人换到新版 「不」" in line or "里面的人换到新版 不" in line
    assert "False" not in line


def test_it_is_read_by_person_and_by_kind(chain: Chain) -> None:
    note(chain, "staff.logged_in", f"staff:{chain.owner.id}", after={"by": "password"})
    note(chain, "stock.set", actor=f"staff:{chain.clerk.id}")
    note(chain, "campaign.finished", actor="system")
    owner = chain.browser("owner")

    def found(query: str) -> list[str]:
        return [
            words
            for row in rows(owner.get(f"/audit/?{query}"))
            for words in ("登录", "改库存", "活动发完")
            if words in row
        ]

    assert found("") == ["活动发完", "改库存", "登录"]
    assert found(f"who=staff:{chain.clerk.id}") == ["改库存"]
    assert found("who=system") == ["活动发完"]
    assert found("kind=staff") == ["登录"]
    assert found(f"kind=goods&who=staff:{chain.owner.id}") == []
    assert found("kind=nonsense&who=staff:999999") == ["活动发完", "改库存", "登录"]


def test_pages_follow_one_another_without_gap_or_repetition(chain: Chain) -> None:
    for number in range(120):
        note(chain, "stock.set", reason=f"第{number}次")
    owner = chain.browser("owner")
    seen: list[str] = []
    path = "/audit/?kind=goods"
    while path:
        answer = owner.get(path)
        seen += re.findall(r"第(\d+)次", answer.text)
        following = re.search(r'href="/console(/audit/\?[^"]*cursor=[^"]+)"', answer.text)
        path = following[1].replace("&amp;", "&") if following else ""

    assert seen == [str(number) for number in reversed(range(120))]
    assert owner.get("/audit/?cursor=nonsense").status_code == 400


def test_another_merchants_records_and_names_stay_theirs(chain: Chain) -> None:
    note(chain, "stock.set", reason="我们的")
    note(chain, "stock.set", merchant_id=chain.rival_merchant_id, reason="隔壁的")
    note(chain, "stock.set", merchant_id=None, reason="没有商家的")
    note(chain, "staff.invite", after={"stores": [chain.rival_store.id]}, reason="借个名字")
    with chain.writing() as session:
        security_events.record(
            session,
            "locked_out",
            "password:rival",
            merchant_id=chain.rival_merchant_id,
            now=chain.now,
        )
        security_events.record(session, "locked_out", "password:nobody", now=chain.now)
    owner = chain.browser("owner")

    assert re.findall(r"原因：(\S+?)<", owner.get("/audit/").text) == ["借个名字", "我们的"]
    assert "隔壁店" not in owner.get("/audit/").text
    assert "没有安全事件" in owner.get("/audit/security").text


def test_a_lockout_is_shown_with_what_to_do(chain: Chain) -> None:
    stranger: Browser = chain.browser()
    for _ in range(10):
        stranger.log_in("clerk", "wrong")

    (row,) = rows(chain.browser("owner").get("/audit/security"))

    assert "错太多次，锁了 5 分钟 账号 clerk，来自 127.0.0.1 不是本人在试的话" in row
    assert "没有安全事件" in chain.browser("rival").get("/audit/security").text


def test_the_only_merchant_sees_what_concerns_the_installation(chain: Chain) -> None:
    with chain.writing() as session:
        security_events.record(session, "locked_out", "password:nobody", now=chain.now)
    owner = chain.browser("owner")
    assert "账号 nobody" not in owner.get("/audit/security").text

    with chain.writing() as session:
        for table, column in ((Staff, Staff.merchant_id), (Store, Store.merchant_id)):
            session.execute(delete(table).where(column == chain.rival_merchant_id))
        session.execute(delete(Merchant).where(Merchant.id == chain.rival_merchant_id))

    assert "账号 nobody" in owner.get("/audit/security").text


def written_acts() -> set[str]:
    """Every `action="…"` that our code passes on, also where it is put together from a state."""
    states = {
        "order": OrderState,
        "campaign": CampaignState,
        "template": TemplateState,
        "broadcast": BroadcastState,
        "journey": ("create", "publish", "live", "paused", "ended"),
        "member.tag_": ("add", "drop"),
        "recon": ("ask", "wait", "again", "accept"),
        "shipping": ("correct", "mend", "ship"),
    }
    found: set[str] = set()
    for file in ROOT.glob("*/**/*.py"):
        if file.relative_to(ROOT).parts[0] in ("tests", "console") and "audit_" in file.name:
            continue
        if file.relative_to(ROOT).parts[0] in (".venv", "tests", "sandbox", "miniprogram"):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.keyword) and node.arg == "action"):
                continue
            if isinstance(node.value, ast.Constant) and "." in str(node.value.value):
                found.add(str(node.value.value))
            if isinstance(node.value, ast.JoinedStr) and isinstance(
                node.value.values[0], ast.Constant
            ):
                start = str(node.value.values[0].value)
                joint = "" if start in states else "."
                found |= {
                    f"{start.rstrip('.')}{joint}{state}" for state in states[start.rstrip(".")]
                }
    return found


def test_every_act_that_is_written_has_words(chain: Chain) -> None:
    acts = written_acts()

    assert len(acts) > 25
    assert acts - set(audit_words.ACTS) == set()
    assert {act.kind for act in audit_words.ACTS.values()} == set(audit_words.KINDS)


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("order", OrderState),
        ("coupon", CouponState),
        ("template", TemplateState),
        ("campaign", CampaignState),
        ("store_sku", ShelfState),
        ("staff", StaffState),
    ],
)
def test_every_state_has_a_word(kind: str, states: Any) -> None:
    assert set(audit_words.STATES[kind]) == {state.value for state in states}


def test_an_act_of_tomorrow_is_shown_without_its_code(chain: Chain) -> None:
    note(chain, "something.new", "thing:1", after={"secret_field": "raw", "state": "raw"})

    (row,) = rows(chain.browser("owner").get("/audit/"))

    assert re.sub(r"^\S+ ", "", row) == "沈知夏 店主 其他操作 状态 其他"
