"""What is asked of WeChat Pay to open a payment, and what its answer is good for, by way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from gateways.pay.records import Ask, Show, Way

_BEIJING = timezone(timedelta(hours=8))
# A prepay_id and a code are good for two hours, the address for a browser for five minutes.
_LONG, _SHORT = timedelta(minutes=110), timedelta(minutes=4, seconds=30)


@dataclass(frozen=True)
class Door:
    """Under which path a way is opened, what comes back and how long that is good."""

    path: str
    answer: str
    show: Show
    fresh: timedelta


DOORS = {
    Way.mini: Door("jsapi", "prepay_id", Show.sheet, _LONG),
    Way.jsapi: Door("jsapi", "prepay_id", Show.sheet, _LONG),
    Way.native: Door("native", "code_url", Show.qr, _LONG),
    Way.h5: Door("h5", "h5_url", Show.redirect, _SHORT),
}


def body_of(ask: Ask, parties: Mapping[str, str]) -> dict[str, Any]:
    """`parties` names the merchant, or a provider and the merchant it looks after."""
    partner = "sub_mchid" in parties
    body: dict[str, Any] = {
        **parties,
        "sp_appid" if partner else "appid": ask.appid,
        "description": ask.description[:127],
        "out_trade_no": ask.out_trade_no,
        "notify_url": ask.notify_url,
        "time_expire": ask.expires_at.astimezone(_BEIJING).isoformat(timespec="seconds"),
        "amount": {"total": ask.amount_fen, "currency": "CNY"},
    }
    if ask.way in (Way.mini, Way.jsapi):
        body["payer"] = {"sp_openid" if partner else "openid": ask.payer}
    if ask.way is Way.h5:
        info = {"type": "Wap"}
        body["scene_info"] = {"payer_client_ip": ask.client_ip or "127.0.0.1", "h5_info": info}
    if ask.attach:
        body["attach"] = ask.attach
    if ask.shared:
        body["settle_info"] = {"profit_sharing": True}
    return body


def address(h5_url: str, return_url: str) -> str:
    """Where the browser goes; it comes back to `return_url`, paid or not."""
    if not return_url:
        return h5_url
    joint = "&" if "?" in h5_url else "?"
    return f"{h5_url}{joint}{urlencode({'redirect_url': return_url})}"
