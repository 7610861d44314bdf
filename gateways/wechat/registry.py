"""The configured WeChat accounts, each with its client, by their own ids."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from core import config
from gateways.http import Http
from gateways.pay import errors
from gateways.wechat.api import Api
from gateways.wechat.brand import Brand
from gateways.wechat.callback import Callback
from gateways.wechat.errors import BadSignature
from gateways.wechat.mini import MiniProgram
from gateways.wechat.oauth import WebsiteLogin
from gateways.wechat.official import OfficialAccount
from gateways.wechat.pay import PayMerchant
from gateways.wechat.pay_hosts import PayHosts
from gateways.wechat.pay_records import Notice


class UnknownAccount(errors.UnknownAccount):
    title = "没有配置这个微信账号"


T = TypeVar("T")


class Wechat:
    """Every method raises UnknownAccount (404) for what is not configured."""

    def __init__(self, settings: config.Wechat, http: Http) -> None:
        hosts = PayHosts(settings.pay_bases)
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
        self._websites = {
            account.appid: WebsiteLogin(
                account, _api(settings, account, http), oauth_base=settings.oauth_base
            )
            for account in settings.websites
        }
        self._pays = {
            account.account: PayMerchant(
                account, http, hosts, read_seconds=settings.timeout_seconds
            )
            for account in settings.pay_merchants
        }
        self._told: dict[str, list[PayMerchant]] = {}
        for pay in self._pays.values():
            self._told.setdefault(pay.settings.mchid, []).append(pay)
        self._brands = {
            account.brand_id: Brand(account, http, hosts, read_seconds=settings.timeout_seconds)
            for account in settings.brands
        }

    def official(self, appid: str) -> OfficialAccount:
        return _get(self._officials, appid)

    def mini(self, appid: str) -> MiniProgram:
        return _get(self._minis, appid)

    def website(self, appid: str) -> WebsiteLogin:
        return _get(self._websites, appid)

    def pay(self, account: str) -> PayMerchant:
        return _get(self._pays, account)

    def read_pay_notice(
        self, mchid: str, headers: Mapping[str, str], raw: bytes, now: datetime
    ) -> Notice:
        """What a number is told, for whomever of those that are served under it.

        Raises BadSignature or MalformedMessage.
        """
        told = _get(self._told, mchid)
        subs = [each.settings.sub_mchid for each in told]
        return told[0].read_notice(headers, raw, now, subs=subs)

    def brand(self, brand_id: str) -> Brand:
        return _get(self._brands, brand_id)

    def brand_of(self, heard: Brand, notice: Notice) -> Brand:
        """Whose card a notice is about: a service provider's names the brand. Raises BadSignature
        for one that this provider does not act for."""
        named = notice.resource.get("brand_id")
        if heard.account.mchid is None or named is None:
            return heard
        found = self._brands.get(str(named))
        if found is None or found.account.mchid != heard.account.mchid:
            raise BadSignature("通知不是发给这里的品牌的")
        return found

    def brand_for(self, merchant: str) -> Brand | None:
        """The merchant's own brand; a card says whose it is, so nobody else's will do."""
        mine = (each for each in self._brands.values() if each.account.merchant == merchant)
        return next(mine, None)

    def pays(self) -> list[PayMerchant]:
        return list(self._pays.values())


def _get(accounts: dict[str, T], key: str) -> T:
    if key not in accounts:
        raise UnknownAccount
    return accounts[key]


def _api(settings: config.Wechat, account: config.Credentials | config.Website, http: Http) -> Api:
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
        account.previous_encoding_aes_key.get_secret_value(),
        mode=account.callback_mode,
    )
