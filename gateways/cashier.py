"""Every account that takes money, behind the one port, whichever company it is with."""

from collections.abc import Iterable
from typing import Any

from gateways.pay.errors import UnknownAccount
from gateways.pay.port import PayChannel
from gateways.pay.records import RefundResult, Transaction
from gateways.wechat import pay_records
from gateways.wechat.registry import Wechat

# What a kept notice says, by the channel that it came from.
_READ_NOTICE = {"wechat": pay_records.read_notice}


class Cashier:
    """The configured accounts of every channel."""

    def __init__(self, wechat: Wechat) -> None:
        self._owned: list[tuple[str | None, PayChannel]] = [
            *((pay.settings.merchant, pay) for pay in wechat.pays()),
        ]
        self._known = {(pay.channel, pay.account): pay for _, pay in self._owned}

    def of(self, channel: str, account: str) -> PayChannel:
        """Raises UnknownAccount."""
        found = self._known.get((channel, account))
        if found is None:
            raise UnknownAccount
        return found

    def find_for(self, merchant: str, channel: str) -> PayChannel | None:
        """The merchant's own account there, else the platform's; never another merchant's."""
        for owner in (merchant, None):
            for whose, pay in self._owned:
                if whose == owner and pay.channel == channel:
                    return pay
        return None

    def list_for(self, merchant: str) -> Iterable[PayChannel]:
        """What a merchant can take money through, one account a channel."""
        channels = dict.fromkeys(pay.channel for _, pay in self._owned)
        found = (self.find_for(merchant, channel) for channel in channels)
        return [pay for pay in found if pay is not None]


def read_notice(channel: str, kind: str, body: dict[str, Any]) -> Transaction | RefundResult | None:
    """What a verified and kept notice says of money; None: nothing. Raises Malformed."""
    return _READ_NOTICE[channel](kind, body)
