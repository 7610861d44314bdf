"""Whose a WeChat account is, and through which accounts a merchant talks: the configuration."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.config import MiniProgram, OfficialAccount, current_config
from merchants.models import Merchant


def officials_of(merchant_code: str) -> list[OfficialAccount]:
    """The merchant's own official accounts, then those shared by all."""
    accounts = current_config().wechat.official_accounts
    return [a for owner in (merchant_code, None) for a in accounts if a.merchant == owner]


def ruled_officials(session: Session, merchant_code: str) -> list[OfficialAccount]:
    """Those whose followers, menu and answers are the merchant's to decide over: its own. One that
    all merchants share is nobody's, unless there is only one merchant."""
    accounts = officials_of(merchant_code)
    own = [account for account in accounts if account.merchant == merchant_code]
    if own or not accounts:
        return own
    alone = session.scalar(select(func.count()).select_from(Merchant)) == 1
    return accounts if alone else []


def minis_of(merchant_code: str) -> list[MiniProgram]:
    """The merchant's own mini-programs, then those shared by all."""
    accounts = current_config().wechat.mini_programs
    return [a for owner in (merchant_code, None) for a in accounts if a.merchant == owner]


def find_official(appid: str) -> OfficialAccount | None:
    accounts = current_config().wechat.official_accounts
    return next((account for account in accounts if account.appid == appid), None)


def find_mini(appid: str) -> MiniProgram | None:
    accounts = current_config().wechat.mini_programs
    return next((account for account in accounts if account.appid == appid), None)


def find_owner(session: Session, appid: str) -> Merchant | None:
    """The merchant an account belongs to; None for a shared one."""
    account = find_official(appid) or find_mini(appid)
    if account is None or account.merchant is None:
        return None
    return session.scalar(select(Merchant).where(Merchant.code == account.merchant))


def mini_for_official(appid: str) -> MiniProgram | None:
    """The mini-program that messages of an official account lead to: the one of the same owner."""
    official = find_official(appid)
    minis = minis_of(official.merchant) if official and official.merchant else []
    return minis[0] if minis else next(iter(current_config().wechat.mini_programs), None)
