"""The world: everything the sandbox remembers, under one lock, kept across restarts as JSON."""

import hashlib
import json
import threading
import time
from dataclasses import replace
from itertools import count
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from sandbox.alipay.store import Trades
from sandbox.clock import Clock, wall
from sandbox.faults import Faults
from sandbox.feed import Feed
from sandbox.formnotices import FormNotices
from sandbox.outgoing import Deliver, HttpDelivery
from sandbox.pay.billstore import Bills
from sandbox.pay.cardstore import Cards
from sandbox.pay.codestore import PayCodes
from sandbox.pay.ledger import Ledger
from sandbox.pay.sharebook import Sharings
from sandbox.pay.signing import Nonces
from sandbox.people import People, openid_of
from sandbox.settings import MODES, Account, Settings
from sandbox.story import Story
from sandbox.timer import Timer
from sandbox.unionpay.store import Moves
from sandbox.wechat.chats import Chats
from sandbox.wechat.codes import Codes
from sandbox.wechat.followers import Followers
from sandbox.wechat.grants import Grants
from sandbox.wechat.massstore import Masses
from sandbox.wechat.mediastore import MediaStore
from sandbox.wechat.menustore import Menus
from sandbox.wechat.notifystore import Notifies
from sandbox.wechat.qrstore import Qrs
from sandbox.wechat.sent import Sent
from sandbox.wechat.tags import Tags
from sandbox.wechat.tokens import Tokens
from sandbox.wechat.tradestore import Shippings
from sandbox.wechat.windows import Windows

_STORES = (
    "people",
    "followers",
    "chats",
    "windows",
    "grants",
    "codes",
    "tokens",
    "tags",
    "menus",
    "qrs",
    "sent",
    "masses",
    "notifies",
    "shippings",
    "media",
    "ledger",
    "cards",
    "sharings",
    "trades",
    "moves",
    "form_notices",
    "story",
)


class World:
    """Handlers run under `lock`; they are short and never wait. Signing and network are outside."""

    def __init__(self, settings: Settings, deliver: Deliver | None = None) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.clock = Clock(settings.clock_file)
        self.feed = Feed(self.clock)
        self.faults = Faults()
        self.timer = Timer(self.clock)
        self.deliver: Deliver = deliver or HttpDelivery()
        self.people = People(list(settings.accounts))
        self.followers = Followers(self.people)
        self.chats = Chats(self.clock, self.feed)
        self.windows = Windows(self.clock)
        self.grants = Grants()
        self.codes = Codes(self.clock)
        self.snapshots: set[str] = set()  # who looks at pages without having agreed to anything
        self.tokens = Tokens(self.clock, settings.token_seconds)
        self.tags = Tags()
        self.menus = Menus()
        self.qrs = Qrs(self.clock)
        self.sent = Sent(self.clock)
        self.masses = Masses(self.clock)
        self.notifies = Notifies()
        self.shippings = Shippings()
        self.media = MediaStore(self.clock)
        self.ledger = Ledger(self.clock)
        self.cards = Cards(self.clock)
        self.trades = Trades(self.clock)
        self.moves = Moves(self.clock)
        self.form_notices = FormNotices()
        self.sharings = Sharings()
        self.bills = Bills(self.clock)
        self.pay_codes = PayCodes(self.clock)
        self.story = Story()
        self.nonces = Nonces(self.clock)
        self._message_ids = count(int(wall() * 1000) * 1000)

    def account(self, appid: str) -> Account:
        """Raises KeyError."""
        return self.settings.accounts[appid]

    def set_mode(self, mode: str, appid: str | None = None) -> None:
        """Push in this mode (plain, compatible, safe) from now on: one account, or all."""
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        accounts = dict(self.settings.accounts)
        for account in accounts.values():
            if appid in (None, account.appid):
                accounts[account.appid] = replace(account, mode=mode)
        self.settings = replace(self.settings, accounts=accounts)

    def next_message_id(self) -> int:
        return next(self._message_ids)

    def reset(self, *, everything: bool = False) -> None:
        """Begin again: people, chats, money.

        What the shop published, and the crowd it knows, stay unless `everything`.
        """
        with self.lock:
            self.timer.clear()
            self.faults.remove()
            self.people.reset()
            self.windows.clear(crowd=everything)
            self.grants.clear(crowd=everything)
            self.snapshots.clear()
            self.pay_codes.clear()
            for name in (
                "followers",
                "chats",
                "codes",
                "sent",
                "masses",
                "notifies",
                "shippings",
                "ledger",
                "cards",
                "sharings",
                "trades",
                "moves",
                "form_notices",
                "bills",
                "story",
            ):
                getattr(self, name).clear()
            if everything:
                self.people.crowd_size = 0
                for name in ("tags", "menus", "qrs", "media"):
                    getattr(self, name).clear()
            self.feed.clear()

    def restart(self) -> None:
        """The story from its first step: new customers, empty chats; the staff go on working.

        Money and messages stay known, because the shop may still ask about them.
        """
        with self.lock:
            self.faults.remove()
            for person in self.people.restart():
                for appid in self.settings.accounts:
                    self.followers.remove(appid, openid_of(appid, person.id))
            for person in self.people.list():
                person.screen = person.screen_title = ""
            self.chats.clear()
            self.story.restart()
            self.feed.clear()

    def dump(self) -> dict[str, Any]:
        with self.lock:
            stores = {name: getattr(self, name).dump() for name in _STORES}
        return {"offset": self.clock.offset, **stores}

    def load(self, data: dict[str, Any]) -> None:
        with self.lock:
            self.clock.restore(data["offset"])
            for name in _STORES:
                if name in data:
                    getattr(self, name).load(data[name])

    def stop(self) -> None:
        self.timer.stop()


class Snapshots:
    """Writes the world to a file now and then, and at the end."""

    def __init__(self, world: World, path: Path) -> None:
        self._world, self._path = world, path
        self._lock = threading.Lock()
        self._last = ""

    def restore(self) -> bool:
        if not self._path.exists():
            return False
        self._world.load(json.loads(self._path.read_text("utf-8")))
        return True

    def save(self) -> float:
        """Seconds it took. The file is replaced in one step; an unchanged world is not written."""
        started = time.monotonic()
        with self._lock:
            text = json.dumps(self._world.dump(), ensure_ascii=False)
            digest = hashlib.sha256(text.encode()).hexdigest()
            if digest != self._last:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                draft = self._path.with_suffix(".new")
                draft.write_text(text, "utf-8")
                draft.replace(self._path)
                self._last = digest
        return time.monotonic() - started

    def start(self) -> None:
        threading.Thread(target=self._run, name="sandbox-snapshots", daemon=True).start()
        # Not atexit: the server runs us in a child of multiprocessing, which skips those.
        Finalize(None, self.save, exitpriority=10)

    def _run(self) -> None:
        pause = 1.0
        while True:
            time.sleep(pause)
            # A large world is written rarely: at most one part in thirty of the time goes into it.
            pause = max(1.0, self.save() * 30)
