"""资金 → 退款: the list, one refund's story, starting again and finishing by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.audit import AuditEntry
from core.clock import business_day
from core.database import reading, transaction
from orders.models import Order
from payments import refunding
from payments.asked_models import AskedRefund, AskedState
from payments.models import Channel, Refund, RefundState
from payments.refunding import Wanted, listing, rules, stuck
from tests.console.conftest import PASSWORD, Chain
from tests.console.test_payments import sums


def refunded(chain: Chain, error: str = "", **values: Any) -> Refund:
    """A refund of one of two teas; with `error` the channel said no."""
    order = chain.order(lines=(("柠檬茶", "中杯", 900, 2),), state="completed", **values)
    with chain.writing() as session:
        mine = session.get_one(Order, order.id)
        actor = f"staff:{chain.manager.id}"
        refund = refunding.request(session, mine, Wanted({0: 1}), "洒了", actor, chain.now)
        if error == "ABNORMAL":
            refund.state, refund.error, refund.settled_at = RefundState.failed, error, chain.now
        elif error:
            refunding.fail(session, refund.id, error, chain.now)
    return refund


def states() -> list[str]:
    with reading() as session:
        return [state.value for state in session.scalars(select(Refund.state).order_by(Refund.id))]


def test_the_list_shows_what_is_stuck_and_pages_by_keys(
    chain: Chain, count_queries: Callable[[Callable[[], Any]], int]
) -> None:
    fine = refunded(chain)
    manager = chain.browser("manager")
    few = count_queries(lambda: manager.get("/refunds/"))
    stuck, theirs = refunded(chain, "USER_ACCOUNT_ABNORMAL"), refunded(chain, store=chain.there)

    page, wanted = manager.get("/refunds/").text, manager.get("/refunds/?state=stuck").text

    assert all(each.out_refund_no in page for each in (fine, stuck, theirs))
    assert (stuck.out_refund_no in wanted, fine.out_refund_no in wanted) == (True, False)
    assert "顾客的支付账户异常或已注销" in wanted
    assert count_queries(lambda: manager.get("/refunds/")) == few
    day = (chain.now - timedelta(days=2)).date().isoformat()
    assert "没有这样的退款" in manager.get(f"/refunds/?to={day}").text
    assert manager.get("/refunds/?cursor=x").status_code == 400
    assert "1 笔退款要处理" in manager.get("/home").text
    assert chain.browser("rival").get(f"/refunds/{fine.out_refund_no}").status_code == 404
    assert chain.browser("clerk").get("/refunds/").status_code == 403


def test_a_failed_one_is_started_again_with_a_password(chain: Chain) -> None:
    refund = refunded(chain, "USER_ACCOUNT_ABNORMAL")
    manager, here = chain.browser("manager"), f"/refunds/{refund.out_refund_no}"
    page = manager.get(here).text
    assert ("再退一次" in page, "柠檬茶 ×1" in page, "没退成" in page) == (True, True, True)

    assert manager.post(f"{here}/restart").status_code == 422
    assert states() == ["failed"]
    assert manager.post(f"{here}/restart", password=PASSWORD).status_code == 303

    assert states() == ["failed", "requested"]
    assert "换第 2 个号再退" in manager.get(here).text
    again = manager.post(f"{here}/restart")
    assert (again.status_code, "后来已经再退过了" in again.text) == (422, True)
    assert states() == ["failed", "requested"]


def test_an_abnormal_one_is_finished_with_a_note(chain: Chain) -> None:
    refund = refunded(chain, "ABNORMAL")
    manager, here = chain.browser("manager"), f"/refunds/{refund.out_refund_no}"
    assert "再退一次" not in manager.get(here).text

    assert manager.post(f"{here}/finish", password=PASSWORD).status_code == 422
    assert states() == ["failed"]
    done = manager.post(f"{here}/finish", note="店里退了现金", password=PASSWORD)

    assert (done.status_code, states()) == (303, ["succeeded"])
    page = manager.get(here).text
    assert ("线下已退" in page, "店里退了现金" in page) == (True, True)
    with reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "refund.finish"))
        assert entry.one().reason == "店里退了现金"


@pytest.mark.parametrize(
    ("error", "act", "words"),
    [
        ("ABNORMAL", "finish", "没退成的记作线下已退 ¥9.00，店里退了现金"),
        ("USER_ACCOUNT_ABNORMAL", "restart", "没退成的再退一次 ¥9.00，再退一次"),
    ],
)
def test_beyond_a_managers_limit_a_second_person_decides(
    chain: Chain, error: str, act: str, words: str
) -> None:
    refund = refunded(chain, error)
    here, order = f"/refunds/{refund.out_refund_no}/{act}", f"/orders/{mine(refund)}"
    with transaction() as session:
        none = rules.Rules(manager_fen=0)
        rules.save(session, refund.merchant_id, none, actor="staff:1", now=datetime.now(UTC))
    manager, owner = chain.browser("manager"), chain.browser("owner")
    sent = {"password": PASSWORD, "note": "店里退了现金"}
    page = manager.get(here).text
    assert ("先申请" in page, "登录密码" in page) == (True, False)

    assert manager.post(here, **sent).status_code == 303
    again = manager.post(here, **sent)

    assert (again.status_code, "已经有一笔退款在等" in again.text) == (422, True)
    assert states() == ["failed"]
    assert words in owner.get(order).text
    with reading() as session:
        asked = session.scalars(select(AskedRefund)).one()
    assert (asked.amount_fen, asked.state.value) == (900, "pending")
    fields = {"code": asked.code, "password": PASSWORD}
    own = manager.post(f"{order}/asked-refund", **fields)
    assert (own.status_code, states()) == (422, ["failed"])
    assert owner.post(f"{order}/asked-refund", **fields).status_code == 303
    assert states() == (["succeeded"] if act == "finish" else ["failed", "requested"])
    assert owner.post(f"{order}/asked-refund", **fields).status_code == 422
    with reading() as session:
        asked = session.get_one(AskedRefund, asked.id)
        newest = session.scalars(select(Refund).order_by(Refund.id.desc()).limit(1)).one()
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == f"refund.{act}"))
        assert entry.one().actor == asked.decided_by
    assert asked.refund_id == newest.id
    assert newest.note == ("店里退了现金" if act == "finish" else "")


def test_the_owner_decides_alone_about_any_sum(chain: Chain) -> None:
    refund = refunded(chain, "USER_ACCOUNT_ABNORMAL")
    with transaction() as session:
        none = rules.Rules(manager_fen=0)
        rules.save(session, refund.merchant_id, none, actor="staff:1", now=datetime.now(UTC))
    here = f"/refunds/{refund.out_refund_no}/restart"

    assert chain.browser("owner").post(here, password=PASSWORD).status_code == 303
    assert states() == ["failed", "requested"]


def test_one_that_fails_while_its_restart_waits_is_beyond_a_managers_limit(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask after one on its way anybody may; to ask anew for one that failed not."""
    refund = refunded(chain)
    with transaction() as session:
        none = rules.Rules(manager_fen=0)
        rules.save(session, refund.merchant_id, none, actor="staff:1", now=chain.now)
    lock = stuck.lock

    def fails_first(session: Session, found: Refund) -> Any:
        refunding.fail(session, found.id, "USER_ACCOUNT_ABNORMAL", chain.now)
        return lock(session, found)

    manager, here = chain.browser("manager"), f"/refunds/{refund.out_refund_no}/restart"
    with monkeypatch.context() as patch:
        patch.setattr(stuck, "lock", fails_first)
        refused = manager.post(here, password=PASSWORD)

    assert (refused.status_code, states()) == (422, ["requested"])
    assert manager.post(here, password=PASSWORD).status_code == 303
    assert states() == ["requested"]


def test_what_was_asked_about_a_refund_that_went_on_since_is_not_agreed_to(chain: Chain) -> None:
    refund = refunded(chain, "USER_ACCOUNT_ABNORMAL")
    with transaction() as session:
        none = rules.Rules(manager_fen=0)
        rules.save(session, refund.merchant_id, none, actor="staff:1", now=datetime.now(UTC))
    here, owner = f"/refunds/{refund.out_refund_no}/restart", chain.browser("owner")
    assert chain.browser("manager").post(here).status_code == 303
    assert owner.post(here, password=PASSWORD).status_code == 303
    with reading() as session:
        code = session.scalars(select(AskedRefund.code)).one()

    path = f"/orders/{mine(refund)}/asked-refund"
    late = owner.post(path, code=code, password=PASSWORD)

    assert (late.status_code, "后来已经再退过了" in late.text) == (422, True)
    assert states() == ["failed", "requested"]
    assert owner.post(path, code=code, do="refuse").status_code == 303


def test_the_file_needs_a_password_and_is_on_record(chain: Chain) -> None:
    refund = refunded(chain)
    manager = chain.browser("manager")

    assert manager.post("/refunds/export").status_code == 422
    file = manager.post("/refunds/export", state="way", password=PASSWORD)

    heading, line, rest = file.get_data(as_text=True).split("\r\n")
    assert heading.startswith("\ufeff退款单号,订单号,门店")
    assert line.split(",")[:6] == [
        refund.out_refund_no, mine(refund), "静安寺店", "9.00", "微信支付", "已提交",
    ]  # fmt: skip
    assert rest == ""
    with reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "refund.export"))
        assert entry.one().after == {"number": 1, "proved_again": True}


def shown(chain: Chain, query: str, who: str = "manager") -> set[str]:
    page = chain.browser(who).get(f"/refunds/?{query}").text
    with reading() as session:
        numbers = set(session.scalars(select(Refund.out_refund_no)))
    return {no for no in numbers if f"/refunds/{no}" in page}


def test_filters_find_what_they_say(chain: Chain) -> None:
    made = {name: refunded(chain) for name in ("old", "stored", "other", "customers", "plain")}
    values: dict[str, dict[str, Any]] = {
        "old": {"requested_at": chain.now - timedelta(days=40)},
        "stored": {"channel": Channel.balance, "balance_fen": 900, "channel_fen": 0},
        "other": {"actor": f"staff:{chain.owner.id}"},
        "customers": {"actor": "member:7"},
    }
    with transaction() as session:
        for name, several in values.items():
            for key, value in several.items():
                setattr(session.get_one(Refund, made[name].id), key, value)
    numbers = {name: refund.out_refund_no for name, refund in made.items()}
    today, ago = business_day(chain.now), business_day(chain.now - timedelta(days=41))
    old = numbers["old"]
    every = set(numbers.values())

    assert shown(chain, "") == every
    assert shown(chain, f"from={today}") == every - {old}
    assert shown(chain, f"from={ago}&to={ago + timedelta(days=2)}") == {old}
    assert shown(chain, "channel=balance") == {numbers["stored"]}
    assert shown(chain, "channel=wechat") == every - {numbers["stored"]}
    assert shown(chain, f"actor=staff:{chain.owner.id}") == {numbers["other"]}
    assert shown(chain, "actor=member:") == {numbers["customers"]}
    assert shown(chain, "actor=staff:x&channel=gold&from=never") == every
    assert shown(chain, f"q={old}&from={today}") == {old}
    assert shown(chain, f"q={mine(made['plain'])}") == {numbers["plain"]}
    assert shown(chain, f"q={old}", "rival") == set()


def test_who_asked_and_who_agreed_are_both_found(chain: Chain) -> None:
    refund, other = refunded(chain), refunded(chain)
    with transaction() as session:
        asked = AskedRefund(
            code="1234",
            merchant_id=chain.merchant_id,
            store_id=refund.store_id,
            order_id=refund.order_id,
            amount_fen=900,
            wanted={},
            reason="洒了",
            state=AskedState.agreed,
            asked_by=f"staff:{chain.clerk.id}",
            asked_at=chain.now,
            decided_by=f"staff:{chain.owner.id}",
            refund_id=refund.id,
        )
        session.add(asked)

    for who in (chain.clerk, chain.owner):
        assert shown(chain, f"actor=staff:{who.id}") == {refund.out_refund_no}
    both = {refund.out_refund_no, other.out_refund_no}
    assert shown(chain, f"actor=staff:{chain.manager.id}") == both


def test_the_sums_leave_out_what_failed_and_want_days(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    refunded(chain), refunded(chain, "USER_ACCOUNT_ABNORMAL"), refunded(chain, store=chain.there)
    done = refunded(chain)
    with transaction() as session:
        session.get_one(Refund, done.id).state = RefundState.succeeded
    manager, today = chain.browser("manager"), business_day(chain.now)
    here = f"/refunds/?from={today}&to={today}"

    assert sums(manager.get(here).text) == [
        *("3 笔", "渠道 ¥27.00", "储值余额 ¥0.00"),
        *("已退 ¥9.00", "在退 ¥18.00", "没退成 1 笔，不算在内"),
    ]
    assert sums(manager.get(f"{here}&state=done").text)[:2] == ["1 笔", "渠道 ¥9.00"]
    assert "选好从哪天到哪天" in sums(manager.get("/refunds/").text)[0]
    monkeypatch.setattr(listing, "MOST_SUMMED", 2)
    assert "日期选短一点" in sums(manager.get(here).text)[0]


def test_the_file_holds_what_the_filters_show(chain: Chain) -> None:
    there, _ = refunded(chain, store=chain.there), refunded(chain)
    manager = chain.browser("manager")
    page = manager.get(f"/refunds/export?q={mine(there)}&from=2026-01-01").text
    assert f'name="q" value="{mine(there)}"' in page

    file = manager.post("/refunds/export", q=mine(there), password=PASSWORD)

    assert [line.split(",")[0] for line in file.text.split("\r\n")[1:]] == [
        there.out_refund_no,
        "",
    ]


def mine(refund: Refund) -> str:
    with reading() as session:
        return session.get_one(Order, refund.order_id).no


def test_the_form_says_what_did_not_arrive_and_leads_to_it(chain: Chain) -> None:
    refund = refunded(chain, "USER_ACCOUNT_ABNORMAL")
    held = refunded(chain, "ABNORMAL")
    manager = chain.browser("manager")

    page = manager.get(f"/orders/{mine(refund)}/refund").text
    other = manager.get(f"/orders/{mine(held)}/refund").text

    for text, number, act in ((page, refund, "再退一次"), (other, held, "去处理")):
        assert "上次退的 ¥9.00 没退成" in text
        assert f'/refunds/{number.out_refund_no}">{act}</a>' in text
    assert manager.post(f"/refunds/{refund.out_refund_no}/restart", password=PASSWORD).status_code
    assert "没退成，钱还没到" not in manager.get(f"/orders/{mine(refund)}/refund").text
