"""分账: who receives is added and ended with the password, what failed is asked again."""

from pathlib import Path

import pytest
from sqlalchemy import select

import gateways
from core.config import PayMerchant, current_config
from core.database import reading
from core.outbox import OutboxJob
from gateways.pay.sharing import Party, PartyKind
from orders.models import Order
from payments import refunding
from payments.models import (
    PartState,
    PaymentAttempt,
    ReceiverPurpose,
    ReceiverState,
    ReturnState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingReturn,
    SharingState,
)
from payments.sharing import receivers as verbs
from tests.console.conftest import PASSWORD, Chain

OFFICE = {
    "account": "1900008001",
    "name": "青禾总部有限公司",
    "relation": "HEADQUARTER",
    "percent": "5.5",
}


@pytest.fixture
def provider(chain: Chain, tmp_path: Path) -> Chain:
    """The same chain, whose money comes in through a service provider."""
    (tmp_path / "key.pem").write_text("-")
    account = PayMerchant.model_validate(
        {
            "mchid": "1900000001",
            "serial_no": "5157F09EFDC096DE",
            "private_key_path": tmp_path / "key.pem",
            "api_v3_key": "0" * 32,
            "sub_mchid": "1900007001",
        }
    )
    config = current_config()
    wechat = config.wechat.model_copy(update={"pay_merchants": [account]})
    gateways.connect(chain.app, config.model_copy(update={"wechat": wechat}))
    return chain


def receivers() -> list[SharingReceiver]:
    with reading() as session:
        return list(session.scalars(select(SharingReceiver)))


def test_a_merchant_with_a_number_of_its_own_shares_nothing(chain: Chain) -> None:
    page = chain.browser("owner").get("/settlement/sharing/").text

    assert "现在的商户号不能分账" in page
    assert "加一个接收方" not in page


def test_a_receiver_is_added_with_proof_and_ended(provider: Chain) -> None:
    owner = provider.browser("owner")
    unproved = owner.post("/settlement/sharing/", **OFFICE)
    wrong = owner.post("/settlement/sharing/", **(OFFICE | {"percent": "31"}), password=PASSWORD)
    assert (unproved.status_code, wrong.status_code) == (422, 422)
    assert "填 0.01 到 30" in wrong.text
    assert receivers() == []

    assert owner.post("/settlement/sharing/", **OFFICE, password=PASSWORD).status_code == 303
    again = owner.post("/settlement/sharing/", **OFFICE, password=PASSWORD)

    assert "这个账号已经是接收方了" in again.text
    [made] = receivers()
    assert (made.account, made.share_bp, made.state) == ("1900008001", 550, ReceiverState.wanted)
    assert made.purpose is ReceiverPurpose.share
    assert made.merchant_id == provider.merchant_id
    shown = owner.get("/settlement/sharing/").text
    assert "青禾总部有限公司" in shown
    assert "等微信登记" in shown
    path = f"/settlement/sharing/{made.id}/end"
    assert provider.browser("rival").get(path).status_code == 404
    assert owner.post(path, password=PASSWORD).status_code == 303
    assert [one.state for one in receivers()] == [ReceiverState.ending]
    with reading() as session:
        jobs = session.scalars(select(OutboxJob.name)).all()
    assert jobs.count("payments.tell_receiver") == 2
    records = owner.get("/audit/").text
    assert "加分账接收方" in records
    assert "不再分账给" in records


def test_what_failed_is_named_and_asked_again(provider: Chain) -> None:
    order = provider.order()
    with provider.writing() as session:
        attempt_id = session.scalars(select(PaymentAttempt.id)).one()
        session.add(
            Sharing(
                attempt_id=attempt_id,
                merchant_id=provider.merchant_id,
                order_id=order.id,
                state=SharingState.shared,
                error="RECEIVER_RECEIPT_LIMIT",
                paid_at=provider.now,
            )
        )
    owner = provider.browser("owner")
    shown = owner.get("/settlement/sharing/").text
    assert order.no in shown
    assert "接收方到了收款上限" in shown
    with reading() as session:
        [sharing] = session.scalars(select(Sharing)).all()

    path = f"/settlement/sharing/{sharing.id}/again"
    assert provider.browser("rival").post(path, password=PASSWORD).status_code == 404
    assert "再分一次" in owner.get(path).text
    assert owner.post(path).status_code == 422
    with reading() as session:
        assert session.scalars(select(Sharing.state)).all() == [SharingState.shared]
        assert "payments.share" not in session.scalars(select(OutboxJob.name)).all()
    assert owner.post(path, password=PASSWORD).status_code == 303

    with reading() as session:
        [sharing] = session.scalars(select(Sharing)).all()
        assert (sharing.state, sharing.error) == (SharingState.due, "")
        jobs = session.scalars(select(OutboxJob).where(OutboxJob.name == "payments.share")).all()
    assert [job.args for job in jobs] == [{"sharing_id": sharing.id}]


def test_all_receivers_together_get_no_more_than_the_channel_shares(provider: Chain) -> None:
    owner = provider.browser("owner")
    half = OFFICE | {"percent": "20", "password": PASSWORD}
    assert owner.post("/settlement/sharing/", **half).status_code == 303

    more = owner.post("/settlement/sharing/", **half | {"account": "1900008002"})

    assert (more.status_code, "加起来不能超过 30%" in more.text) == (422, True)
    assert [one.account for one in receivers()] == ["1900008001"]
    rest = half | {"account": "1900008002", "percent": "10"}
    assert owner.post("/settlement/sharing/", **rest).status_code == 303


def test_a_receiver_that_the_channel_refused_is_named_and_may_be_added_again(
    provider: Chain,
) -> None:
    owner = provider.browser("owner")
    owner.post("/settlement/sharing/", **OFFICE, password=PASSWORD)
    with provider.writing() as session:
        [made] = session.scalars(select(SharingReceiver)).all()
        assert verbs.refuse(session, made, "RECEIVER_HIGH_RISK")

    shown = owner.get("/settlement/sharing/").text
    assert "微信没有接受" in shown
    assert "微信认为接收方有风险" in shown
    assert "1 个分账接收方微信没有接受" in owner.get("/home").text
    assert owner.post("/settlement/sharing/", **OFFICE, password=PASSWORD).status_code == 303

    assert [(one.state, one.error) for one in receivers()] == [(ReceiverState.wanted, "")]
    assert "个分账接收方微信没有接受" not in owner.get("/home").text


def test_what_no_one_can_take_back_is_closed_with_a_note_and_a_password(provider: Chain) -> None:
    order = provider.order()
    with provider.writing() as session:
        attempt = session.scalars(select(PaymentAttempt)).one()
        mine = session.get_one(Order, order.id)
        actor = f"staff:{provider.manager.id}"
        refund = refunding.request(session, mine, 1_000, "洒了", actor, provider.now)
        receiver = verbs.add(
            session,
            provider.merchant_id,
            Party(PartyKind.merchant, OFFICE["account"], "wx0", OFFICE["name"], "HEADQUARTER"),
            purpose=ReceiverPurpose.share,
            share_bp=1_000,
            actor=actor,
            now=provider.now,
        )
        sharing = Sharing(
            attempt_id=attempt.id,
            merchant_id=provider.merchant_id,
            order_id=order.id,
            state=SharingState.released,
            paid_at=provider.now,
        )
        session.add(sharing)
        session.flush()
        part = SharingPart(
            sharing_id=sharing.id,
            receiver_id=receiver.id,
            no="S1",
            amount_fen=260,
            state=PartState.succeeded,
        )
        session.add(part)
        session.flush()
        back = SharingReturn(
            no="B1",
            part_id=part.id,
            refund_id=refund.id,
            amount_fen=100,
            state=ReturnState.failed,
            error="PAYER_ACCOUNT_ABNORMAL",
            asked_at=provider.now,
        )
        session.add(back)
        session.flush()
        path = f"/settlement/sharing/returns/{back.id}/close"
    owner = provider.browser("owner")
    assert "1 笔分账没收回来" in owner.get("/home").text
    assert "不再收了" in owner.get("/settlement/sharing/").text
    note = {"note": "总部转账还了"}

    assert provider.browser("rival").post(path, **note, password=PASSWORD).status_code == 404
    assert owner.post(path, **note).status_code == 422
    assert owner.post(path, password=PASSWORD).status_code == 422
    with reading() as session:
        assert session.scalars(select(SharingReturn.state)).all() == [ReturnState.failed]
    assert owner.post(path, **note, password=PASSWORD).status_code == 303

    with reading() as session:
        assert session.scalars(select(SharingReturn.state)).all() == [ReturnState.closed]
    assert "笔分账没收回来" not in owner.get("/home").text
    assert "总部转账还了" in owner.get("/audit/").text
    assert owner.post(path, **note, password=PASSWORD).status_code == 404


def test_a_receiver_that_the_channel_keeps_is_named_and_ended_once_more(provider: Chain) -> None:
    owner = provider.browser("owner")
    owner.post("/settlement/sharing/", **OFFICE, password=PASSWORD)
    [made] = receivers()
    path = f"/settlement/sharing/{made.id}/end"
    assert owner.post(path, password=PASSWORD).status_code == 303
    with provider.writing() as session:
        found = session.get_one(SharingReceiver, made.id)
        assert verbs.keep(session, found, "RULE_LIMIT", provider.now)

    shown = owner.get("/settlement/sharing/").text
    assert ("微信没有取消" in shown, "再取消一次" in shown) == (True, True)
    assert "1 个分账接收方微信没有取消" in owner.get("/home").text
    assert owner.post(path, password=PASSWORD).status_code == 303

    assert [(one.state, one.error) for one in receivers()] == [(ReceiverState.ending, "")]
    assert "再取消一次" not in owner.get("/settlement/sharing/").text


def test_the_platforms_commission_is_not_the_merchants_to_end(provider: Chain) -> None:
    platform = Party(PartyKind.merchant, "1900000001", "wx1", "平台", "SERVICE_PROVIDER")
    with provider.writing() as session:
        made = verbs.add(
            session,
            provider.merchant_id,
            platform,
            purpose=ReceiverPurpose.commission,
            share_bp=0,
            actor="operator",
            now=provider.now,
        )
        assert verbs.move(session, made, ReceiverState.active)
    owner = provider.browser("owner")
    path = f"/settlement/sharing/{made.id}/end"

    assert owner.get(path).status_code == 404
    assert owner.post(path, password=PASSWORD).status_code == 404

    assert [(one.purpose, one.state) for one in receivers()] == [
        (ReceiverPurpose.commission, ReceiverState.active)
    ]


def test_the_platforms_own_number_is_no_share_of_the_merchants(provider: Chain) -> None:
    squatting = OFFICE | {"account": "1900000001", "percent": "0.01", "password": PASSWORD}

    refused = provider.browser("owner").post("/settlement/sharing/", **squatting)

    assert (refused.status_code, "这是平台的商户号，不能加" in refused.text) == (422, True)
    assert receivers() == []


def test_nobody_is_added_before_money_comes_in_through_a_provider(chain: Chain) -> None:
    owner = chain.browser("owner")

    assert owner.post("/settlement/sharing/", **OFFICE, password=PASSWORD).status_code == 422
    assert receivers() == []
