"""Whose account took a merchant's money: their own, or one that takes it for several owners.

Each channel counts for itself: an Alipay of their own doesn't make what WeChat collected theirs.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import current_config
from merchants.models import Merchant


def collects_for_others(session: Session, merchant_id: int) -> bool:
    """Whether this merchant's money comes in on an account that several merchants share."""
    return merchant_id in shared_by(session)


def shared_by(session: Session) -> list[int]:
    """The merchants who have no account of their own at a channel whose account without an owner
    serves more than one of them; a single merchant may well use the only account there is."""
    config = current_config()
    channels = (config.wechat.pay_merchants, config.alipay.accounts, config.unionpay.accounts)
    merchants = session.execute(select(Merchant.id, Merchant.code).order_by(Merchant.id)).all()
    found: set[int] = set()
    for accounts in channels:
        owners = {account.merchant for account in accounts}
        without = [id_ for id_, code in merchants if code not in owners]
        if None in owners and len(without) > 1:
            found.update(without)
    return sorted(found)
