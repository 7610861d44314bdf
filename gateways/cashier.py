"""Every account that takes money, behind the one port, whichever company it is with."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core.config import Config
from gateways.alipay import reading as alipay_reading
from gateways.alipay.channel import AlipayChannel
from gateways.http import Http
from gateways.pay.bills import Billed, BillSource
from gateways.pay.errors import UnknownAccount
from gateways.pay.port import PayChannel
from gateways.pay.records import RefundResult, Transaction
from gateways.pay.sharing import SharingChannel
from gateways.unionpay import reading as unionpay_reading
from gateways.unionpay.channel import UnionPayChannel
from gateways.wechat import pay_records
from gateways.wechat.registry import Wechat

# What a kept notice says, by the channel that it came from.
_Read = Callable[[str, dict[str, Any]], Transaction | RefundResult | None]
_READ_NOTICE: dict[str, _Read] = {
    "wechat": pay_records.read_notice,
    "alipay": alipay_reading.read_notice,
    "unionpay": unionpay_reading.read_notice,
}


class Cashier:
    """The configured accounts of every channel."""

    def __init__(self, wechat: Wechat, config: Config, http: Http) -> None:
        alipay, unionpay = config.alipay, config.unionpay
        self._alipay = {
            each.app_id: AlipayChannel(
                each, http, alipay.gateway, read_seconds=alipay.timeout_seconds
            )
            for each in alipay.accounts
        }
        self._unionpay = {
            each.mer_id: UnionPayChannel(unionpay, each, http) for each in unionpay.accounts
        }
        self._owned: list[tuple[str | None, PayChannel]] = [
            *((pay.settings.merchant, pay) for pay in wechat.pays()),
            *((pay.settings.merchant, pay) for pay in self._alipay.values()),
            *((pay.settings.merchant, pay) for pay in self._unionpay.values()),
        ]
        self._known = {(pay.channel, pay.account): pay for _, pay in self._owned}
        self._sharing = {pay.account: pay.sharing for pay in wechat.pays() if pay.sharing}
        # What was paid while a provider's number served one merchant only is kept under the bare
        # number: it is the first one's.
        for former in wechat.pays():
            self._known.setdefault((former.channel, former.settings.mchid), former)
            if former.sharing:
                self._sharing.setdefault(former.settings.mchid, former.sharing)

    def of(self, channel: str, account: str) -> PayChannel:
        """Raises UnknownAccount."""
        found = self._known.get((channel, account))
        if found is None:
            raise UnknownAccount
        return found

    def speaker(self, channel: str, account: str) -> AlipayChannel | UnionPayChannel:
        """Who reads what Alipay or UnionPay tells this account. Raises UnknownAccount."""
        known: Mapping[str, AlipayChannel | UnionPayChannel] = (
            self._alipay if channel == "alipay" else self._unionpay
        )
        if channel not in ("alipay", "unionpay") or account not in known:
            raise UnknownAccount
        return known[account]

    def find_for(self, merchant: str, channel: str) -> PayChannel | None:
        """The merchant's own account there, else the platform's; never another merchant's."""
        for owner in (merchant, None):
            for whose, pay in self._owned:
                if whose == owner and pay.channel == channel:
                    return pay
        return None

    def bills_of(self, channel: str, account: str) -> BillSource:
        """Raises UnknownAccount, for an account without bills too."""
        found = self.of(channel, account)
        if not isinstance(found, Billed):
            raise UnknownAccount
        return found.bills

    def list_billed(self) -> list[tuple[Billed, str | None]]:
        """The accounts that have bills, each with the merchant whose it is."""
        return [(pay, whose) for whose, pay in self._owned if isinstance(pay, Billed)]

    def can_share(self, channel: str, account: str) -> bool:
        """Whether others can be given a part of what this account is paid."""
        return channel == "wechat" and account in self._sharing

    def sharing(self, account: str) -> SharingChannel:
        """The sharing side of an account. Raises UnknownAccount for one that cannot."""
        found = self._sharing.get(account)
        if found is None:
            raise UnknownAccount
        return found

    def sharing_for(self, merchant: str) -> SharingChannel | None:
        """That of the merchant's own account; None where their money cannot be shared."""
        pay = self.find_for(merchant, "wechat")
        return self._sharing.get(pay.account) if pay is not None else None

    def list_for(self, merchant: str) -> Iterable[PayChannel]:
        """What a merchant can take money through, one account a channel."""
        channels = dict.fromkeys(pay.channel for _, pay in self._owned)
        found = (self.find_for(merchant, channel) for channel in channels)
        return [pay for pay in found if pay is not None]


def read_notice(channel: str, kind: str, body: dict[str, Any]) -> Transaction | RefundResult | None:
    """What a verified and kept notice says of money; None: nothing. Raises Malformed."""
    return _READ_NOTICE[channel](kind, body)
