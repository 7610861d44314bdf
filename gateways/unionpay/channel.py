"""UnionPay as a payment channel: its page on a desk and on a phone."""

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from core.config_channels import UnionPay, UnionPayAccount
from gateways.http import MAX_ANSWER_BYTES, Http
from gateways.pay.errors import BadSignature, MalformedMessage
from gateways.pay.forms import read_form
from gateways.pay.records import (
    Ask,
    Asked,
    Notice,
    Opening,
    RefundAsk,
    RefundResult,
    Show,
    Transaction,
    Way,
)
from gateways.unionpay.bills import UnionPayBills
from gateways.unionpay.client import UnionPayClient
from gateways.unionpay.errors import WAITING, UnionPayError, UnionPayUnavailable
from gateways.unionpay.reading import (
    PAYMENT,
    REFUND,
    VOID,
    read_notice,
    read_payment,
    read_refund,
    to_time,
    void_no,
)

_GATEWAY = "000201"
_CHANNELS = {Way.page: "07", Way.wap: "08"}
_TOLD = (PAYMENT, REFUND, VOID)
_UNKNOWN = "34"
_TWICE = "12"
_NOT_AS_REFUND = ("30", "32", "35", "39", "77")
"""Noes to a refund after which a void may do: not allowed, not opened, not in this state."""
_MOST = 8 * MAX_ANSWER_BYTES


class UnionPayChannel:
    """One merchant; implements `gateways.pay.port.PayChannel`.

    UnionPay closes nothing: what its page shows can be paid until `payTimeout`, and what was sent
    back or closed here meanwhile has to be refunded. It finds a payment by its number and the time
    that stood in the form, so `Asked.asked_at` is that of the form, always.
    """

    channel = "unionpay"

    def __init__(self, settings: UnionPay, account: UnionPayAccount, http: Http) -> None:
        self.settings = account
        self._client = UnionPayClient(settings, account, http)
        self.bills = UnionPayBills(self.bill)

    @property
    def account(self) -> str:
        return self.settings.mer_id

    @property
    def ways(self) -> frozenset[Way]:
        return frozenset(_CHANNELS)

    def open(self, ask: Ask, now: datetime) -> Opening:
        return self.show(ask, {}, now)

    def show(self, ask: Ask, kept: Mapping[str, str], now: datetime) -> Opening:
        if ask.way not in _CHANNELS:
            raise UnionPayError("77", f"no way {ask.way}", api="frontTransReq.do")
        form = self._client.form(
            {
                "txnType": PAYMENT,
                "txnSubType": "01",
                "bizType": _GATEWAY,
                "channelType": _CHANNELS[ask.way],
                "orderId": ask.out_trade_no,
                "txnTime": to_time(ask.asked_at),
                "txnAmt": str(ask.amount_fen),
                "currencyCode": "156",
                "payTimeout": to_time(ask.expires_at),
                "frontUrl": ask.return_url,
                "backUrl": ask.notify_url,
                "reqReserved": ask.attach,
            }
        )
        return Opening(Show.form, form, {}, fresh_until=ask.expires_at)

    def query(self, asked: Asked) -> Transaction | None:
        given = self._find(asked.out_trade_no, asked.asked_at)
        if given is None:
            return None
        try:
            return read_payment(given, self.account, given.get("origRespCode", ""))
        except ValueError as error:
            _unreadable(error)

    def close(self, asked: Asked) -> None:
        """Nothing to be asked of UnionPay but whether it is paid, or being paid, already."""
        known = self.query(asked)
        if known is not None and known.is_paid:
            raise UnionPayError("35", "paid", api="close")
        if known is not None and known.state == "USERPAYING":
            raise UnionPayError("06", "the payer is at it", api="close")

    def close_is_final(self, way: Way) -> bool:
        return False

    def revoke(self, asked: Asked) -> None:
        raise UnionPayError("77", "no payments by code", api="revoke")

    def refund(self, asked: Asked, ask: RefundAsk) -> RefundResult:
        """Accepted is not done: a notice or a query says how it ends. A repetition of the number is
        refused as such, and then asked after.

        A whole payment that UnionPay does not take back as a refund on its own day is asked for as
        a void, under a number of the same refund. That one is asked after before anything is sent,
        so that what was begun as a void, and whose answer was lost, never becomes a refund too.
        """
        paid_as = asked.transaction_id or self._query_id(asked)
        may_void = _may_void(paid_as, ask)
        if may_void and (known := self._query_void(ask)):
            return known
        try:
            return self._give_back(REFUND, ask.out_refund_no, paid_as, ask)
        except UnionPayError as error:
            if error.resp_code == _TWICE and (known := self.query_refund(asked, ask)):
                return known
            if not may_void or error.resp_code not in _NOT_AS_REFUND:
                raise
            refused = error
        try:
            return self._give_back(VOID, void_no(ask.out_refund_no), paid_as, ask)
        except UnionPayError as error:
            if error.resp_code == _TWICE and (known := self._query_void(ask)):
                return known
            if error.transient:
                raise
            raise refused from error

    def query_refund(self, asked: Asked, ask: RefundAsk) -> RefundResult | None:
        known = self._query_back(ask.out_refund_no, ask)
        if (known is None or known.state == "CLOSED") and _may_void(asked.transaction_id, ask):
            return self._query_void(ask) or known
        return known

    def _give_back(self, kind: str, number: str, paid_as: str, ask: RefundAsk) -> RefundResult:
        fields = {
            "txnType": kind,
            "txnSubType": "00",
            "bizType": _GATEWAY,
            "channelType": "07",
            "orderId": number,
            "txnTime": to_time(ask.asked_at),
            "txnAmt": str(ask.refund_fen),
            "currencyCode": "156",
            "origQryId": paid_as,
            "backUrl": ask.notify_url,
        }
        try:
            given = self._client.back(fields)
        except UnionPayError as error:
            if error.resp_code not in WAITING:
                raise
            given = fields
        return RefundResult(
            out_refund_no=ask.out_refund_no,
            refund_id=given.get("queryId", "")[:64],
            state="PROCESSING",
            refund_fen=ask.refund_fen,
            total_fen=ask.total_fen,
            success_at=None,
            account=self.account,
        )

    def _query_void(self, ask: RefundAsk) -> RefundResult | None:
        known = self._query_back(void_no(ask.out_refund_no), ask)
        return known and replace(known, out_refund_no=ask.out_refund_no)

    def _query_back(self, number: str, ask: RefundAsk) -> RefundResult | None:
        given = self._find(number, ask.asked_at)
        if given is None:
            return None
        try:
            code = given.get("origRespCode", "")
            return read_refund(given, self.account, code, ask.total_fen)
        except ValueError as error:
            _unreadable(error)

    def bill(self, day: str, now: datetime) -> bytes:
        """The ZIP of a day's settlement ("1122": month and day). ChannelRefused with
        NO_STATEMENT_EXIST where there is none (yet)."""
        given = self._client.file(
            {
                "txnType": "76",
                "txnSubType": "01",
                "bizType": "000000",
                "fileType": "00",
                "settleDate": day,
                "txnTime": to_time(now),
            }
        )
        return unpacked(given.get("fileContent", ""))

    def read_notice(self, raw: bytes, now: datetime) -> Notice:
        """A verified notice to this merchant about a payment or a refund.

        It has neither a number nor a time of its own: a repetition is known by what it says. Raises
        BadSignature (forged, another's) or MalformedMessage.
        """
        fields = read_form(raw)
        self._check_ours(fields, now)
        kind, told_apart = fields.get("txnType", ""), fields.get("queryId", "")
        if not told_apart.isalnum() or len(told_apart) > 64 or kind not in _TOLD:
            raise MalformedMessage("缺少 queryId 或 txnType")
        read_notice(kind, fields)
        told = {k: v for k, v in fields.items() if k not in ("signature", "signPubKeyCert")}
        return Notice(f"{kind}-{told_apart}-{fields.get('respCode', '')[:8]}", kind, told)

    def read_return(self, raw: bytes, now: datetime) -> str:
        """The order that a payer came back from; of what was paid a return proves nothing.
        Raises BadSignature or MalformedMessage."""
        fields = read_form(raw)
        self._check_ours(fields, now)
        if not fields.get("orderId"):
            raise MalformedMessage("缺少 orderId")
        return fields["orderId"]

    def _check_ours(self, fields: Mapping[str, str], now: datetime) -> None:
        if not self._client.is_authentic(fields, now):
            raise BadSignature
        if fields.get("merId") != self.account:
            raise BadSignature("通知不是发给这个商户的")

    def _find(self, number: str, asked_at: datetime) -> dict[str, str] | None:
        """By number and the time it was first asked under; None: UnionPay knows it not."""
        try:
            given = self._client.query(
                {
                    "txnType": "00",
                    "txnSubType": "00",
                    "bizType": _GATEWAY,
                    "orderId": number,
                    "txnTime": to_time(asked_at),
                }
            )
        except UnionPayError as error:
            if error.resp_code == _UNKNOWN:
                return None
            raise
        if (given.get("orderId"), given.get("merId", self.account)) != (number, self.account):
            raise UnionPayUnavailable("queryTrans.do", "an answer about another order")
        return given

    def _query_id(self, asked: Asked) -> str:
        known = self.query(asked)
        if known is None or not known.is_paid or not known.transaction_id:
            raise UnionPayError(_UNKNOWN, "not paid", api="backTransReq.do")
        return known.transaction_id


def _may_void(paid_as: str | None, ask: RefundAsk) -> bool:
    """All of it, asked back on the day of the payment, with which the channel's number begins."""
    whole = ask.refund_fen == ask.total_fen
    return whole and bool(paid_as) and to_time(ask.asked_at)[:8] == str(paid_as)[:8]


def unpacked(content: str) -> bytes:
    """A file as it comes: base64 of deflated bytes, of which there are not endlessly many."""
    try:
        inflater = zlib.decompressobj()
        found = inflater.decompress(base64.b64decode(content, validate=True), _MOST)
    except (binascii.Error, zlib.error) as error:
        raise UnionPayUnavailable("files", f"unreadable: {type(error).__name__}") from None
    if not found or not inflater.eof:
        raise UnionPayUnavailable("files", "the file is cut off or too large")
    return found


def _unreadable(error: ValueError) -> NoReturn:
    raise UnionPayUnavailable("queryTrans.do", f"unreadable: {error}") from None
