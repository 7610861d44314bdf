"""The configured WeChat accounts, each with its client, by their own ids or by merchant."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from core import config
from core.errors import NotFound
from gateways.http import Http
from gateways.wechat.api import Api
from gateways.wechat.callback import Callback
from gateways.wechat.mini import MiniProgram
from gateways.wechat.official import OfficialAccount
from gateways.wechat.pay import PayMerchant


class UnknownAccount(NotFound):
    code = "unknown_account"
    title = "没有配置这个微信账号"


class _Owned(Protocol):
    @property
    def account(self) -> config.Credentials | config.PayMerchant: ...


T = TypeVar("T", bound=_Owned)


class Wechat:
    """Every method raises UnknownAccount (404) for what is not configured."""

    def __init__(self, settings: config.Wechat, http: Http) -> None:
        self._officials = {
            account.appid: OfficialAccount(
                account,
                _api(settings, account, http),
                _callback(account),
                oauth_base=settings.oauth_base,
                mp_base=settings.mp_base,
            )
            for account in settings.official_accounts
        }
        self._minis = {
            account.appid: MiniProgram(account, _api(settings, account, http), _callback(account))
            for account in settings.mini_programs
        }
        self._pays = {
            account.mchid: PayMerchant(
                account, http, settings.pay_base, read_seconds=settings.timeout_seconds
            )
            for account in settings.pay_merchants
        }

    def official(self, appid: str) -> OfficialAccount:
        return _get(self._officials, appid)

    def mini(self, appid: str) -> MiniProgram:
        return _get(self._minis, appid)

    def pay(self, mchid: str) -> PayMerchant:
        return _get(self._pays, mchid)

    def official_for(self, merchant: str) -> OfficialAccount:
        return _owned_by(self._officials.values(), merchant)

    def mini_for(self, merchant: str) -> MiniProgram:
        return _owned_by(self._minis.values(), merchant)

    def pay_for(self, merchant: str) -> PayMerchant:
        """The merchant's own, else the platform's; never that of another merchant."""
        return _owned_by(self._pays.values(), merchant)


def _get(accounts: dict[str, T], key: str) -> T:
    if key not in accounts:
        raise UnknownAccount
    return accounts[key]


def _owned_by(accounts: Iterable[T], merchant: str) -> T:
    """The merchant's own account, else one shared by all."""
    candidates = list(accounts)
    for owner in (merchant, None):
        for candidate in candidates:
            if candidate.account.merchant == owner:
                return candidate
    raise UnknownAccount


def _api(settings: config.Wechat, account: config.Credentials, http: Http) -> Api:
    return Api(
        http,
        settings.api_base,
        account.appid,
        account.secret.get_secret_value(),
        settings.timeout_seconds,
    )


def _callback(account: config.Credentials) -> Callback:
    return Callback(
        account.appid,
        account.token.get_secret_value(),
        account.encoding_aes_key.get_secret_value(),
        [key.get_secret_value() for key in account.previous_aes_keys],
    )
