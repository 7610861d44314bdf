"""Product coupons (商品券) of WeChat Pay's brand platform: what stands in a customer's card pack.

Every answer that says yes is verified before it is read. Each of our numbers names one request for
ever: asking again under it is the same request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from core.config import Brand as Account
from gateways.http import Http
from gateways.wechat.errors import BadSignature, PayError, WechatUnavailable
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_hosts import PayHosts
from gateways.wechat.pay_notices import open_notice
from gateways.wechat.pay_records import Notice

_ROOT = "/brand/marketing/product-coupon"
_FOR_OTHERS = "/v3/marketing/partner/product-coupon"


@dataclass(frozen=True)
class Stock:
    """A kind of coupon and the only batch of it that we make; `state` is the batch's."""

    product_id: str
    stock_id: str
    state: str


@dataclass(frozen=True)
class Place:
    """One card: whose, of which batch, under our own code."""

    product_id: str
    stock_id: str
    openid: str
    code: str


class Brand:
    def __init__(
        self, account: Account, http: Http, hosts: PayHosts, *, read_seconds: float
    ) -> None:
        self.account = account
        self._channel = PayChannel(account, http, hosts, read_seconds=read_seconds)
        self._root = _ROOT if account.mchid is None else _FOR_OTHERS
        self._products = f"{self._root}/product-coupons"
        self._whose = {} if account.mchid is None else {"brand_id": account.brand_id}

    def create(self, body: Mapping[str, Any]) -> Stock:
        """A kind of coupon and its batch. Raises PayError or WechatUnavailable, as all do."""
        given = self._channel.call("POST", self._products, {**body, **self._whose})
        return _stock(self._products, given.get("stock"), given.get("product_coupon_id"))

    def add_stock(self, product_id: str, number: str, stock: Mapping[str, Any]) -> Stock:
        """Another batch of a kind that is there: what people have of earlier ones stays good."""
        target = f"{self._products}/{_of(product_id)}/stocks"
        body = {"out_request_no": number, "stock": stock, **self._whose}
        return _stock(target, self._channel.call("POST", target, body), product_id)

    def query_stock(self, product_id: str, stock_id: str) -> Stock:
        target = f"{self._products}/{_of(product_id)}/stocks/{_of(stock_id)}"
        if self._whose:
            target += f"?{urlencode(self._whose)}"
        return _stock(target, self._channel.call("GET", target), product_id)

    def end(self, product_id: str, number: str, reason: str) -> None:
        """Nobody gets it any more; cards that are out stay good."""
        body = {"out_request_no": number, "deactivate_reason": reason, **self._whose}
        self._channel.call("POST", f"{self._products}/{_of(product_id)}/deactivate", body)

    def send(self, place: Place, number: str) -> str:
        """A card for one person, useless until confirmed; all of these return its state."""
        target = f"{self._root}/users/{_of(place.openid)}/coupons"
        body = self._card(place) | {"coupon_code": place.code, "send_request_no": number}
        return _state(target, self._channel.call("POST", target, body))

    def find(self, place: Place) -> str | None:
        """None: WeChat knows no such card."""
        target = f"{self._at(place)}?{urlencode(self._card(place))}"
        try:
            return _state(target, self._channel.call("GET", target))
        except PayError as error:
            if error.pay_code == "RESOURCE_NOT_EXISTS" or error.errcode == 404:
                return None
            raise

    def confirm(self, place: Place, number: str) -> str:
        return self._act("confirm", place, number)

    def use(self, place: Place, number: str, at: datetime, transaction_id: str) -> str:
        """Only a payment through WeChat Pay uses a card; what else uses one ends it: `drop`."""
        more = {
            "use_time": at.isoformat(timespec="seconds"),
            "associated_order_info": {"transaction_id": transaction_id},
        }
        return self._act("use", place, number, more)

    def give_back(self, place: Place, number: str) -> str:
        return self._act("return", place, number)

    def drop(self, place: Place, number: str, reason: str) -> str:
        return self._act("deactivate", place, number, {"deactivate_reason": reason})

    def tell_us(self, notify_url: str) -> None:
        """Where notices of cards go, for the whole brand; a provider's, for all its brands."""
        self._channel.call("POST", f"{self._root}/notify-configs", {"notify_url": notify_url})

    def upload(self, filename: str, content: bytes) -> str:
        """The address of a picture, the only kind that a card may show."""
        target = f"{self._root}/media/upload-image"
        url = self._channel.upload(target, filename, content).get("image_url")
        if not isinstance(url, str) or not url:
            raise WechatUnavailable(target, "no image_url in the answer")
        return url

    def read_notice(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Notice:
        """Raises BadSignature (forged, old, probed, another brand's) or MalformedMessage."""
        notice = open_notice(self._channel, self.account.api_v3_key, headers, raw, now)
        # Sealed under this brand's key; where the brand is named as well it must be this one. A
        # provider hears of all its brands at one address: `Wechat.brand_of` says whose it is.
        named = notice.resource.get("brand_id")
        if self.account.mchid is None and named not in (None, self.account.brand_id):
            raise BadSignature("通知不是发给这个品牌的")
        return notice

    def _act(
        self, what: str, place: Place, number: str, more: Mapping[str, Any] | None = None
    ) -> str:
        target = f"{self._at(place)}/{what}"
        body = {**self._card(place), "out_request_no": number, **(more or {})}
        return _state(target, self._channel.call("POST", target, body))

    def _card(self, place: Place) -> dict[str, str]:
        return {
            "product_coupon_id": place.product_id,
            "stock_id": place.stock_id,
            "appid": self.account.appid,
            **self._whose,
        }

    def _at(self, place: Place) -> str:
        return f"{self._root}/users/{_of(place.openid)}/coupons/{_of(place.code)}"


def _of(part: str) -> str:
    return quote(part, safe="")


def _state(target: str, given: Mapping[str, Any]) -> str:
    state = given.get("coupon_state")
    if not isinstance(state, str):
        raise WechatUnavailable(target, "no coupon_state in the answer")
    return state


def _stock(target: str, given: Any, product_id: Any) -> Stock:
    stock = given if isinstance(given, dict) else {}
    values = [product_id, stock.get("stock_id"), stock.get("state")]
    if not all(isinstance(value, str) and value for value in values):
        raise WechatUnavailable(target, "no batch in the answer")
    return Stock(*map(str, values))
