"""Somebody who lives in the story: a person with a phone, and a clerk or owner at the console.

Everything goes over HTTP: the sandbox plays the person's phone, the backend answers as it would in
production. Used by the story, the fault tests and the benchmarks.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

T = TypeVar("T")


class Unexpected(AssertionError):
    """An answer that the story does not allow; the message says what came instead."""


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = 20.0) -> T:
    """The first truthy answer of `look`, asked ten times a second; Unexpected when none comes."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise Unexpected(f"等了 {seconds:g} 秒也没有：{what}")
        time.sleep(0.1)


@dataclass
class Sandbox:
    """The sandbox's control interface."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, /, **query: Any) -> Any:
        return _checked(self.http.get(f"{self.url}/sandbox/api/{path}", params=query, timeout=10))

    def post(self, path: str, /, **body: Any) -> Any:
        return _checked(self.http.post(f"{self.url}/sandbox/api/{path}", json=body, timeout=30))

    def delete(self, path: str) -> Any:
        return _checked(self.http.delete(f"{self.url}/sandbox/api/{path}", timeout=10))

    def advance(self, seconds: float) -> None:
        self.post("clock", advance_seconds=seconds)
        time.sleep(0.6)  # every process reads the clock twice a second

    def qr(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The first printed or shown QR code that `wanted` takes; waits for it."""
        return eventually(lambda: next(filter(wanted, self.get("qrs")["qrs"]), None), what)


@dataclass
class Person:
    """A person with a phone, and what the backend gave them."""

    base_url: str
    sandbox: Sandbox
    id: str
    name: str
    official: str
    mini: str
    token: str = ""
    http: requests.Session = field(default_factory=requests.Session)

    # — the phone ——————————————————————————————————————————————————————————————————————————————

    def act(self, verb: str, **body: Any) -> Any:
        return self.sandbox.post(f"people/{self.id}/{verb}", **body)

    def scan(self, content: str) -> Any:
        return self.act("scan", qr=content)

    def say(self, text: str) -> Any:
        return self.act("say", appid=self.official, text=text)

    def chat(self, appid: str = "") -> dict[str, Any]:
        return self.sandbox.get(f"people/{self.id}/chat", appid=appid or self.official)

    def heard(self, words: str) -> bool:
        """Whether somebody else's bubble in the chat holds `words`."""
        return any(
            words in str(message) for message in self.chat()["messages"] if not message.get("mine")
        )

    def tap(self, label: str, *, scan: str | None = None) -> Any:
        """Tap the menu entry called `label`."""
        menu = self.chat()["menu"] or {"button": []}
        for i, button in enumerate(menu["button"]):
            if button["name"] == label:
                return self.act("tap", appid=self.official, path=[i], scan=scan)
            for j, entry in enumerate(button.get("sub_button", [])):
                if entry["name"] == label:
                    return self.act("tap", appid=self.official, path=[i, j], scan=scan)
        raise Unexpected(f"{self.name}的菜单里没有「{label}」：{menu}")

    # — the mini-program ———————————————————————————————————————————————————————————————————————

    def log_in(self) -> None:
        code = self.act("login-code", appid=self.mini)["code"]
        answer = self.call("POST", "sessions", json={"code": code, "appid": self.mini})
        self.token = answer["token"]

    def call(self, method: str, path: str, *, status: int = 0, **options: Any) -> Any:
        """Call the API; the JSON. Raises Unexpected unless it is 2xx or exactly `status`."""
        answer = self.request(method, path, **options)
        if answer.status_code != status if status else not answer.ok:
            raise Unexpected(f"{method} {path} → {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        url = f"{self.base_url}/api/v1/{path}"
        return self.http.request(method, url, headers=headers, timeout=30, **options)

    def menu(self, store_id: str) -> dict[str, dict[str, Any]]:
        """The store's products by name."""
        menu = self.call("GET", f"stores/{store_id}/menu")
        return {
            product["name"]: product
            for category in menu["categories"]
            for product in category["products"]
        }

    def order(self, cart: dict[str, Any], *, key: str = "", status: int = 201) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or secrets.token_hex(12)}
        order: dict[str, Any] = self.call(
            "POST", "orders", json=cart, headers=headers, status=status
        )
        return order

    def open_sheet(self, no: str) -> dict[str, Any]:
        answer = self.call("POST", f"orders/{no}/payment", json={"channel": "wechat"})
        params: dict[str, Any] = answer["params"]
        return params

    def pay(self, no: str, *, outcome: str = "ok") -> None:
        self.act("pay", appid=self.mini, outcome=outcome, **self.open_sheet(no))

    def pay_on_page(self, no: str, channel: str) -> None:
        """Over to the channel's own cashier, as a browser goes, and the button pressed there."""
        how = {"channel": channel, "way": "page"}
        form = dict(self.call("POST", f"orders/{no}/payment", json=how)["params"])
        url = form.pop("url")
        page = requests.post(url, data=form, timeout=10) if form else requests.get(url, timeout=10)
        requests.post(page.url, data={"act": "pay"}, allow_redirects=False, timeout=10)

    def show(self, no: str) -> dict[str, Any]:
        order: dict[str, Any] = self.call("GET", f"orders/{no}")
        return order

    def wait_paid(self, no: str, *, seconds: float = 20.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            order = self.show(no)
            return order if order["payment_state"] == "paid" else None

        return eventually(look, f"订单 {no} 显示已付款", seconds=seconds)

    def coupons(self, state: str = "usable") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.call("GET", f"coupons?state={state}")["items"]
        return items

    def allow(self, *template_ids: str) -> None:
        """Tap 允许 in the subscribe dialog and report it, as the mini-program does."""
        answers = dict.fromkeys(template_ids, "accept")
        self.act("subscribe", appid=self.mini, answers=answers)
        self.call("POST", "subscriptions", json={"grants": answers})


def cart(product: dict[str, Any], store_id: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """A cart with the first SKU that can be had and the first option of each required group."""
    sku = next(sku for sku in product["skus"] if sku["state"] == "on")
    options = [
        next(option["id"] for option in group["options"] if option["state"] == "on")
        for group in product["option_groups"]
        if group["min"] > 0
    ]
    item = {"sku_id": sku["sku_id"], "quantity": quantity, "options": options}
    return {"store_id": store_id, "fulfilment": "pickup", "items": [item], **more}


def option(page: str, name: str, words: str) -> str:
    """The value of the choice called `name` whose words contain `words`."""
    select = re.search(rf'<select[^>]*name="{name}".*?</select>', page, re.S)
    if select:
        choices = re.findall(
            r'<option[^>]*value="([^"]*)"[^>]*>(.*?)</option>', select.group(), re.S
        )
    else:
        radios = rf'name="{name}"[^>]*value="([^"]+)"[^>]*>(.*?)</label>'
        choices = re.findall(radios, page, re.S)
    found = next((value for value, text in choices if value and words in text), None)
    if found is None:
        raise Unexpected(f"没有叫「{words}」的 {name}：{choices}")
    return str(found)


CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|name="csrf"[^>]*content="([^"]+)"')


@dataclass
class Console:
    """A browser at the merchant console."""

    base_url: str
    http: requests.Session = field(default_factory=requests.Session)
    csrf: str = ""

    def log_in(self, username: str, password: str) -> None:
        self.get("login")
        self.post("login", username=username, password=password)

    def get(self, path: str, /, **query: Any) -> str:
        answer = self.http.get(f"{self.base_url}/console/{path}", params=query, timeout=30)
        return self._page(answer)

    def post(self, path: str, **form: Any) -> str:
        return self._page(self.send(path, **form))

    def send(self, path: str, **form: Any) -> requests.Response:
        form["csrf_token"] = self.csrf
        headers = {"Origin": self.base_url}
        return self.http.post(
            f"{self.base_url}/console/{path}", data=form, headers=headers, timeout=30
        )

    def _page(self, answer: requests.Response) -> str:
        if not answer.ok:
            raise Unexpected(f"{answer.request.url} → {answer.status_code} {answer.text[:800]}")
        if found := CSRF.search(answer.text):
            self.csrf = found.group(1) or found.group(2)
        return answer.text


def _checked(answer: requests.Response) -> Any:
    if not answer.ok:
        raise Unexpected(f"{answer.request.url} → {answer.status_code} {answer.text[:500]}")
    return answer.json()
