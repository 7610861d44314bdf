"""Whose money may be paid on, and what the nightly proof says of days, purses and payouts."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import Config
from core.config_channels import AlipayAccount
from payments import proof
from payments.errors import PayoutUnlawful
from payments.models import (
    LedgerEntry,
    Payout,
    StorePurse,
)
from payments.settlement import payouts
from tests.payments.test_settlement import CLOSING, DAY, Shop, open_shop, share_the_account, shop

__all__ = ["shop"]


def test_nobody_pays_on_what_was_collected_for_several_owners(app: Flask, session: Session) -> None:
    shop, _ = open_shop(session), open_shop(session)
    share_the_account(app)
    shop.sell(10_000)
    shop.close()

    with pytest.raises(PayoutUnlawful):
        shop.pay_out(100, "V1")

    assert session.scalars(select(Payout)).all() == []
    assert payouts.left_fen(session, shop.stores[0].id) == 10_000


def test_an_account_at_one_channel_does_not_make_the_money_of_another_theirs(
    app: Flask, session: Session
) -> None:
    shop, _ = open_shop(session), open_shop(session)
    share_the_account(app)
    config: Config = app.extensions["linli.config"]
    theirs = AlipayAccount.model_construct(app_id="2021", merchant=shop.merchant.code)
    alipay = config.alipay.model_copy(update={"accounts": [theirs]})
    app.extensions["linli.config"] = config.model_copy(update={"alipay": alipay})
    shop.sell(10_000)
    shop.close()

    with pytest.raises(PayoutUnlawful):
        shop.pay_out(100, "V1")

    assert session.scalars(select(Payout)).all() == []


def test_the_proof_names_a_closed_day_that_got_another_entry(shop: Shop) -> None:
    shop.sell(10_000)
    (statement,) = shop.close()
    every = range(1, 10**6)
    assert proof.wrong_days(shop.session, every) == []

    late = {"merchant_id": shop.merchant.id, "day": DAY, "at": CLOSING}
    for account, fen in (("channel:wechat:1", 5), (f"sales:{shop.merchant.id}", -5)):
        shop.session.add(LedgerEntry(cause="payment:99", account=account, amount_fen=fen, **late))
    shop.session.flush()

    assert proof.wrong_days(shop.session, every) == [statement.id]


def test_the_proof_names_a_purse_and_a_payout(shop: Shop) -> None:
    shop.sell(10_000)
    shop.close()
    made = shop.pay_out(10, "V1")
    every = range(1, 10**6)

    purse = shop.session.get_one(StorePurse, shop.stores[0].id, populate_existing=True)
    purse.earned_fen += 1
    entry = shop.session.scalars(
        select(LedgerEntry).where(LedgerEntry.cause == f"payout:{made.id}").limit(1)
    ).one()
    shop.session.delete(entry)
    shop.session.flush()

    assert proof.wrong_purses(shop.session, every) == [shop.stores[0].id]
    assert proof.wrong_payouts(shop.session, every) == [made.id]
