"""What a rule means, said naively in Python; and strategies that draw rules and members."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

TAGS, STORES, PRODUCTS, TEMPLATES, CAMPAIGNS = 3, 2, 2, 2, 2
TIERS = ("green_leaf", "silver_tip")
CITIES = ("上海", "杭州")
HOURS = {
    "morning": range(6, 11),
    "noon": range(11, 14),
    "afternoon": range(14, 17),
    "evening": range(17, 21),
    "night": (*range(21, 24), *range(6)),
}
DAYS = {"workdays": (1, 2, 3, 4, 5), "weekend": (6, 7), **{str(n): (n,) for n in range(1, 8)}}
KINDS = ("viewed", "carted", "scanned", "paid", "claimed", "redeemed")
CHANNELS = {"paid": ("pickup", "dine_in"), "redeemed": ("online", "counter")}


@dataclass(frozen=True)
class Bought:
    """`product` n is in category n."""

    days_ago: int
    amount_fen: int
    refunded_fen: int
    product: int = 1
    quantity: int = 1

    @property
    def counted(self) -> bool:
        return self.refunded_fen < self.amount_fen


@dataclass(frozen=True)
class Came:
    days_ago: int
    store: int
    hour: int


@dataclass(frozen=True)
class Held:
    """`state`: issued, redeemed (a day after), expired or void; `ends_in` days from now."""

    template: int
    days_ago: int
    ends_in: int
    state: str


@dataclass(frozen=True)
class Sent:
    """`arm` "holdout": nothing was sent. `used`: its coupon was redeemed."""

    campaign: int
    days_ago: int
    arm: str
    used: bool


@dataclass(frozen=True)
class Did:
    kind: str
    days_ago: int
    product: int
    store: int = 1
    fen: int = 1
    channel: int = 0
    template: int = 1

    @property
    def how(self) -> str:
        return CHANNELS.get(self.kind, ("", ""))[self.channel]


@dataclass(frozen=True)
class Someone:
    joined_days_ago: int
    last_visit_days_ago: int | None
    store: int | None
    tags: frozenset[int]
    bought: tuple[Bought, ...]
    came: tuple[Came, ...] = ()
    coupons: tuple[Held, ...] = ()
    sent: tuple[Sent, ...] = ()
    did: tuple[Did, ...] = ()
    points: int = 0
    balance_fen: int = 0
    tier: str = TIERS[0]
    scene: str = ""
    birthday: date | None = None
    kilometres: int | None = None
    scores: tuple[int, int, int] | None = None

    @property
    def seen_days_ago(self) -> int | None:
        drawn = [] if self.last_visit_days_ago is None else [self.last_visit_days_ago]
        return min([*drawn, *(one.days_ago for one in self.came)], default=None)

    @property
    def held(self) -> tuple[Held, ...]:
        """Their coupons, those of campaigns among them."""
        used = (s for s in self.sent if s.used and s.arm == "reach")
        return (*self.coupons, *(Held(1, s.days_ago, 1, "redeemed") for s in used))

    def visits(self, now: datetime) -> list[tuple[int, int, int, int]]:
        """(days ago, store, weekday, hour), a day in a store once: the first that was written."""
        days: dict[tuple[int, int], int] = {}
        for one in self.came:
            days.setdefault((one.days_ago, one.store), one.hour)
        return [
            (ago, store, (now - timedelta(days=ago)).isoweekday(), hour)
            for (ago, store), hour in days.items()
        ]


def holds(rule: dict[str, Any], who: Someone, now: datetime) -> bool:
    """The evaluator that the compiled SELECT must agree with. Whatever has an id is an index."""
    if "rules" in rule:
        answers = [holds(inner, who, now) for inner in rule["rules"]]
        return {"and": all(answers), "or": any(answers), "not": not any(answers)}[rule["op"]]
    field, op, days = rule["field"], rule["op"], rule.get("days")

    def lately(ago: int) -> bool:
        return days is None or ago <= days

    def compared(number: float) -> bool:
        value = rule["value"]
        return {">=": number >= value, "<=": number <= value, "=": number == value}[op]

    bought = [b for b in who.bought if lately(b.days_ago)]
    visits = [v for v in who.visits(now) if lately(v[0])]
    net = sum(b.amount_fen - b.refunded_fen for b in who.bought)
    count = rule.get("count") or 1
    match field:
        case "spent":
            return compared(sum(b.amount_fen - b.refunded_fen for b in bought))
        case "orders":
            return compared(sum(b.counted for b in bought))
        case "average":
            number = sum(b.counted for b in who.bought)
            return number > 0 and compared(net / number)
        case "refunded":
            return compared(sum(b.refunded_fen for b in who.bought))
        case "product" | "category":
            mine = [b for b in bought if b.product == rule["value"] and b.counted]
            if op == "spent":
                return sum(b.amount_fen for b in mine) >= rule["amount"]
            pieces = sum(b.quantity for b in mine)
            return not pieces if op == "not_bought" else pieces >= count
        case "tag":
            return (rule["value"] in who.tags) == (op == "has")
        case "source_store":
            return (rule["value"] == who.store) == (op == "is")
        case "source":
            kind = rule["value"]
            mine = who.scene == "" if kind == "none" else who.scene.startswith(kind)
            return mine == (op == "is")
        case "tier":
            return (who.tier == rule["value"]) == (op == "is")
        case "points":
            return compared(who.points)
        case "balance":
            return compared(who.balance_fen)
        case "visits":
            return compared(len(visits))
        case "visit_time":
            at = op == "at"
            fits = HOURS[rule["value"]] if at else DAYS[rule["value"]]
            return sum((v[3] if at else v[2]) in fits for v in visits) >= count
        case "store" | "city":
            there = [v for v in visits if rule["value"] in (v[1], CITIES[v[1] - 1])]
            return bool(there) == (op == "visited")
        case "coupon":
            return _has_coupons(rule, who, count)
        case "campaign":
            return _campaign(rule, who)
        case "birthday":
            return _birthday(rule, who, now)
        case "near":
            return who.kilometres is not None and who.kilometres * 1000 + 0.5 <= rule["metres"]
        case "event":
            done = [d for d in who.did if d.kind == rule["kind"] and lately(d.days_ago)]
            done = [d for d in done if rule.get("amount", 0) <= d.fen]
            for name in ("product", "store", "template"):
                done = [d for d in done if rule.get(name) in (None, getattr(d, name))]
            how = rule.get("channel") or rule.get("way")
            return compared(sum(how in (None, d.how) for d in done))
    if field.startswith("rfm_"):
        place = ("rfm_recency", "rfm_frequency", "rfm_monetary").index(field)
        return who.scores is not None and compared(who.scores[place])
    return _moment(rule, who)


def _has_coupons(rule: dict[str, Any], who: Someone, count: int) -> bool:
    op, days = rule["op"], rule.get("days")
    mine = [c for c in who.held if rule.get("value") in (None, c.template)]
    if op == "redeemed":
        used = [c for c in mine if c.state == "redeemed"]
        return sum(days is None or c.days_ago - 1 <= days for c in used) >= count
    held = [c for c in mine if c.state == "issued" and c.ends_in > 0]
    if op == "unused":
        return bool(held)
    if op == "expiring":
        return any(c.ends_in <= rule["days"] for c in held)
    if op == "expired":
        over = [c for c in mine if c.state in ("issued", "expired") and c.ends_in <= 0]
        return any(days is None or -c.ends_in <= days for c in over)
    got = [c for c in mine if c.state != "void" and (days is None or c.days_ago <= days)]
    return not got if op == "not_received" else len(got) >= count


def _campaign(rule: dict[str, Any], who: Someone) -> bool:
    op, days = rule["op"], rule.get("days")
    told = [
        s
        for s in who.sent
        if rule.get("value") in (None, s.campaign) and (days is None or s.days_ago <= days)
    ]
    got = [s for s in told if s.arm == "reach"]
    after = any(b.counted and b.days_ago <= s.days_ago for s in got for b in who.bought)
    return {
        "got": bool(got),
        "not_got": not got,
        "redeemed": any(s.used for s in got),
        "ordered": after,
        "not_ordered": bool(got) and not after,
        "held_out": len(got) < len(told),
    }[op]


def _birthday(rule: dict[str, Any], who: Someone, now: datetime) -> bool:
    if who.birthday is None or rule["op"] == "unknown":
        return who.birthday is None and rule["op"] == "unknown"
    if rule["op"] == "month":
        return who.birthday.month == (rule["value"] or now.month)
    coming = [now.date() + timedelta(days=n) for n in range(rule["days"] + 1)]
    return (who.birthday.month, who.birthday.day) in {(day.month, day.day) for day in coming}


def _moment(rule: dict[str, Any], who: Someone) -> bool:
    paid = [b.days_ago for b in who.bought]
    ago = {
        "joined": who.joined_days_ago,
        "last_visit": who.seen_days_ago,
        "last_paid": min(paid, default=None),
        "first_paid": max(paid, default=None),
    }[rule["field"]]
    if ago is None or rule["op"] == "never":
        return ago is None and rule["op"] == "never"
    return ago > rule["days"] if rule["op"] == "before" else ago <= rule["days"]


_days = st.integers(1, 40)
_ago = st.integers(0, 45)
_bought = st.builds(
    lambda ago, amount, share, product, quantity: Bought(
        ago, amount, amount * share // 4, product, quantity
    ),
    _ago,
    st.integers(1, 500),
    st.sampled_from([0, 0, 0, 1, 4]),
    st.integers(1, PRODUCTS),
    st.integers(1, 3),
)
_came = st.builds(Came, st.integers(0, 14), st.integers(1, STORES), st.integers(0, 23))
_held = st.builds(
    Held,
    st.integers(1, TEMPLATES),
    st.integers(1, 45),
    st.integers(-20, 20),
    st.sampled_from(["issued", "issued", "redeemed", "expired", "void"]),
)
_sent = st.builds(
    Sent,
    st.integers(1, CAMPAIGNS),
    _ago,
    st.sampled_from(["reach", "reach", "holdout"]),
    st.booleans(),
)
_did = st.builds(
    Did,
    st.sampled_from(KINDS),
    _ago,
    st.integers(1, PRODUCTS),
    store=st.integers(1, STORES),
    fen=st.integers(1, 500),
    channel=st.integers(0, 1),
    template=st.integers(1, TEMPLATES),
)
_score = st.integers(1, 5)
someone = st.builds(
    Someone,
    joined_days_ago=_ago,
    last_visit_days_ago=st.none() | _ago,
    store=st.none() | st.integers(1, STORES),
    tags=st.frozensets(st.integers(1, TAGS)),
    bought=st.lists(_bought, max_size=3).map(tuple),
    came=st.lists(_came, max_size=3).map(tuple),
    coupons=st.lists(_held, max_size=3).map(tuple),
    sent=st.lists(_sent, max_size=2, unique_by=lambda s: s.campaign).map(tuple),
    did=st.lists(_did, max_size=3).map(tuple),
    points=st.integers(0, 9),
    balance_fen=st.integers(0, 9),
    tier=st.sampled_from(TIERS),
    scene=st.sampled_from(["", "store.abc", "table.abc", "poster.abc", "mini"]),
    birthday=st.none() | st.dates(date(1990, 1, 1), date(1993, 12, 31)),
    kilometres=st.none() | st.integers(0, 20),
    scores=st.none() | st.tuples(_score, _score, _score),
)


def _one(field: str, ops: list[str], **more: Any) -> st.SearchStrategy[Any]:
    """A condition; what begins with `maybe_` may be left out."""
    always = {name: value for name, value in more.items() if not name.startswith("maybe_")}
    optional = {name[6:]: value for name, value in more.items() if name.startswith("maybe_")}
    fixed = {"field": st.just(field), "op": st.sampled_from(ops), **always}
    return st.fixed_dictionaries(fixed, optional=optional)


_number = [">=", "<="]
_when = ["before", "after"]
_whose = {"value": st.integers(1, PRODUCTS)}
_campaigns = {"maybe_value": st.integers(1, CAMPAIGNS), "maybe_days": _days}
_template = {"maybe_value": st.integers(1, TEMPLATES)}
_pieces = st.integers(1, 3)
_coupons = {"maybe_template": st.integers(1, TEMPLATES)}
_spots = {"maybe_store": st.integers(1, STORES), "maybe_amount": st.integers(1, 500)}
condition = st.one_of(
    _one("spent", _number, value=st.integers(0, 900), maybe_days=_days),
    _one("orders", _number, value=st.integers(0, 4), maybe_days=_days),
    _one("average", _number, value=st.integers(0, 500)),
    _one("refunded", _number, value=st.integers(0, 500)),
    *(_one(field, _when, days=_days) for field in ("last_visit", "last_paid", "first_paid")),
    *(_one(field, ["never"]) for field in ("last_visit", "last_paid", "first_paid")),
    _one("joined", _when, days=_days),
    _one("tag", ["has", "has_not"], value=st.integers(1, TAGS)),
    _one("source_store", ["is", "is_not"], value=st.integers(1, STORES)),
    _one("source", ["is", "is_not"], value=st.sampled_from(["store", "table", "poster", "none"])),
    _one("tier", ["is", "is_not"], value=st.sampled_from(TIERS)),
    _one("points", _number, value=st.integers(0, 9)),
    _one("balance", _number, value=st.integers(0, 9)),
    *(
        _one(field, ["bought"], **_whose, count=_pieces, maybe_days=_days)
        | _one(field, ["not_bought"], **_whose, maybe_days=_days)
        | _one(field, ["spent"], **_whose, amount=st.integers(1, 900), maybe_days=_days)
        for field in ("product", "category")
    ),
    _one("visits", _number, value=st.integers(0, 3), maybe_days=_days),
    _one("visit_time", ["at"], value=st.sampled_from(list(HOURS)), count=_pieces, maybe_days=_days),
    _one("visit_time", ["on"], value=st.sampled_from(list(DAYS)), count=_pieces, maybe_days=_days),
    _one("store", ["visited", "not_visited"], value=st.integers(1, STORES), maybe_days=_days),
    _one("city", ["visited", "not_visited"], value=st.sampled_from(CITIES), maybe_days=_days),
    _one("coupon", ["received", "redeemed"], **_template, maybe_count=_pieces, maybe_days=_days),
    _one("coupon", ["not_received", "expired"], **_template, maybe_days=_days),
    _one("coupon", ["unused"], **_template),
    _one("coupon", ["expiring"], **_template, days=_days),
    _one("campaign", ["got", "not_got", "redeemed"], **_campaigns),
    _one("campaign", ["ordered", "not_ordered", "held_out"], **_campaigns),
    _one("birthday", ["within"], days=st.integers(0, 180)),
    _one("birthday", ["month"], value=st.integers(0, 12)),
    _one("birthday", ["unknown"]),
    _one("near", ["within"], value=st.just(1), metres=st.integers(500, 20_000)),
    *(
        _one(
            "event",
            _number,
            kind=st.sampled_from(kinds),
            value=st.integers(0, 3),
            days=_days,
            **more,
        )
        for kinds, more in (
            (["viewed", "carted"], {"maybe_product": st.integers(1, PRODUCTS)}),
            (["scanned"], {"maybe_store": st.integers(1, STORES)}),
            (["claimed"], _coupons),
            (["paid"], {**_spots, "maybe_channel": st.sampled_from(CHANNELS["paid"])}),
            (["redeemed"], {**_coupons, "maybe_way": st.sampled_from(CHANNELS["redeemed"])}),
        )
    ),
    *(
        _one(field, [">=", "<=", "="], value=_score)
        for field in ("rfm_recency", "rfm_frequency", "rfm_monetary")
    ),
)


def _groups(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    many = st.fixed_dictionaries(
        {"op": st.sampled_from(["and", "or"]), "rules": st.lists(inner, min_size=1, max_size=3)}
    )
    one = st.fixed_dictionaries(
        {"op": st.just("not"), "rules": st.lists(inner, min_size=1, max_size=1)}
    )
    return many | one


_two_deep = condition | _groups(condition)
rule = condition | _groups(_two_deep) | _groups(_groups(_two_deep))
