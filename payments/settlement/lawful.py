"""Whose account took a merchant's money: their own, or one that takes it for several owners."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import current_config
from merchants.models import Merchant


def collects_for_others(session: Session, merchant_id: int) -> bool:
    """Whether this merchant's money comes in on an account that several merchants share."""
    return merchant_id in shared_by(session)


def shared_by(session: Session) -> list[int]:
    """The merchants without an account of their own, if the one that takes their money serves more
    than one of them; a single merchant may well use the only account there is."""
    config = current_config()
    several = (config.wechat.pay_merchants, config.alipay.accounts, config.unionpay.accounts)
    named = {account.merchant for accounts in several for account in accounts}
    if None not in named:
        return []
    found = session.execute(select(Merchant.id, Merchant.code).order_by(Merchant.id))
    without = [id_ for id_, code in found if code not in named]
    return without if len(without) > 1 else []
