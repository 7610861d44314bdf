"""Product coupons: kinds with their batches, and the cards that people hold."""

from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.clock import Clock


@dataclass(slots=True)
class Product:
    """A kind of coupon; `state`: EFFECTIVE or DEACTIVATED, which ends all of its batches."""

    id: str
    brand_id: str
    number: str
    request: dict[str, Any]
    state: str = "EFFECTIVE"


@dataclass(slots=True)
class Stock:
    """A batch: its cards are good until `ends_at`, and `days` from when they were sent."""

    id: str
    product_id: str
    number: str
    request: dict[str, Any]
    ends_at: float
    days: int
    sent: int = 0


@dataclass(slots=True)
class Card:
    """`done`: what was asked under which number, for repetitions."""

    code: str
    brand_id: str
    product_id: str
    stock_id: str
    openid: str
    appid: str
    send_no: str
    begins_at: float
    ends_at: float
    state: str = "CONFIRMING"
    transaction_id: str = ""
    done: dict[str, str] = field(default_factory=dict)


class Cards:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.products: dict[str, Product] = {}
        self.stocks: dict[str, Stock] = {}
        self.notify_urls: dict[str, str] = {}
        self.pictures: list[str] = []
        self._cards: dict[str, Card] = {}

    def add(self, card: Card) -> None:
        self._cards[f"{card.brand_id}|{card.code}"] = card

    def find(self, brand_id: str, code: str) -> Card | None:
        card = self._cards.get(f"{brand_id}|{code}")
        alive = card is not None and card.state in ("CONFIRMING", "PENDING", "EFFECTIVE")
        if card and alive and self._clock.now() >= card.ends_at:
            card.state = "EXPIRED"
        return card

    def list_of(self, openid: str) -> list[Card]:
        held = [card for card in self._cards.values() if card.openid == openid]
        return [found for card in held if (found := self.find(card.brand_id, card.code))]

    def by_number(self, brand_id: str, number: str) -> Product | None:
        mine = (p for p in self.products.values() if p.brand_id == brand_id)
        return next((p for p in mine if p.number == number), None)

    def clear(self) -> None:
        for store in (self.products, self.stocks, self.notify_urls, self.pictures, self._cards):
            store.clear()

    def dump(self) -> dict[str, Any]:
        return {
            "products": [asdict(product) for product in self.products.values()],
            "stocks": [asdict(stock) for stock in self.stocks.values()],
            "cards": [asdict(card) for card in self._cards.values()],
            "notify_urls": dict(self.notify_urls),
            "pictures": list(self.pictures),
        }

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["products"]:
            self.products[row["id"]] = Product(**row)
        for row in data["stocks"]:
            self.stocks[row["id"]] = Stock(**row)
        for row in data["cards"]:
            self.add(Card(**row))
        self.notify_urls.update(data["notify_urls"])
        self.pictures.extend(data["pictures"])
