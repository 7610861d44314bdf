"""The port that every payment channel is plugged into."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from gateways.pay.records import Ask, Asked, Opening, RefundAsk, RefundResult, Transaction, Way


class PayChannel(Protocol):
    """One account of ours at one channel.

    Every method that asks raises ChannelRefused for a no and ChannelUnavailable where nobody can
    tell what happened; asking again under the same number is always safe.
    """

    @property
    def channel(self) -> str:
        """`wechat`, `alipay`, `unionpay`."""

    @property
    def account(self) -> str:
        """Our number there: mchid or <mchid>-<sub_mchid>, app_id, merId."""

    @property
    def ways(self) -> frozenset[Way]:
        """Those that this account can take."""

    def open(self, ask: Ask, now: datetime) -> Opening:
        """Make the payment known and say what the payer sees next.

        With `Way.code` it may be paid at once (`done`) or the payer types a password (`waiting`).
        """

    def show(self, ask: Ask, kept: Mapping[str, str], now: datetime) -> Opening:
        """The same payment to the same payer again, from what was kept; asks nobody."""

    def query(self, asked: Asked) -> Transaction | None:
        """None: the channel knows no such payment (yet)."""

    def close(self, asked: Asked) -> None:
        """After this nobody can pay it, known or not, unless `close_is_final` says otherwise.
        ChannelRefused when it is paid: query."""

    def close_is_final(self, way: Way) -> bool:
        """Whether nobody can pay by this way what was closed. Else it may be paid until its time is
        over, so it has to be asked after."""

    def revoke(self, asked: Asked) -> None:
        """Undo a `Way.code` payment whatever became of it: what was paid goes back."""

    def refund(self, asked: Asked, ask: RefundAsk) -> RefundResult:
        """The same number again is the same refund; a new number is another."""

    def query_refund(self, asked: Asked, ask: RefundAsk) -> RefundResult | None:
        """None: the channel knows no such refund."""
