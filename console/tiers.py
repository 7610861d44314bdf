"""会员体系 → 等级: thresholds and benefits, and who would move before anything is saved."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import club_view, people, reply, words
from console.access import me, staff
from console.forms import Form
from console.loyalty_tabs import coupons, tabs
from console.members import get_member
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from core.money import format_yuan
from crm import tiers
from crm.models import BASE_TIER, Fall, Measure
from crm.tiers import by_hand, editing, keeping

page = Blueprint("tiers", __name__, url_prefix="/loyalty/tiers")

MEASURES = ((Measure.spent.value, "消费金额"), (Measure.growth.value, "成长值"))
WINDOWS = ((0, "从入会算起"), (180, "近半年"), (365, "近一年"))
TERMS = ((0, "一直有效"), (180, "半年"), (365, "一年"))
TOGETHER = (("no", "能和促销、券一起用"), ("yes", "二选一，哪个省用哪个"))
FALLS = ((Fall.one_step.value, "降一级"), (Fall.earned.value, "降到够得着的那一级"))


@dataclass(frozen=True)
class Row:
    """What one line of the form is about; the fields carry its number."""

    number: int
    base: bool


@page.get("/")
@staff("members.view")
def index() -> Response:
    with reading() as session:
        programme = tiers.load(session, me().merchant_id)
    return _page(_form(programme), len(programme.steps))


@page.post("/")
@staff("settings.manage")
def save() -> Response:
    form, now = Form(request.form), clock_now()
    wanted = _read(form)
    if wanted is None:
        return _page(form, _rows(form), 422)
    try:
        with transaction() as session:
            editing.save(
                session,
                me().merchant_id,
                wanted,
                may_fall=form["existing"] == "all",
                actor=me().actor,
                now=now,
            )
    except editing.TiersInvalid as refused:
        form.refuse_with(refused, "form")
        return _page(form, _rows(form), 422)
    return reply.done(url_for("console.tiers.index"), "等级已保存，会员正在按新规则调整")


@page.post("/preview")
@staff("members.view")
def preview() -> Response:
    """Who would move, as the form stands; what cannot be read yet is said in words."""
    form = Form(request.form)
    wanted, movers, why = _read(form), [], ""
    if wanted is not None:
        try:
            with reading() as session:
                movers = editing.preview(
                    session,
                    me().merchant_id,
                    wanted,
                    may_fall=form["existing"] == "all",
                    now=clock_now(),
                )
        except LinliError as refused:
            why = next(iter(refused.errors.values()), refused.detail)
    else:
        why = "还有没填对的，填好就能看到谁会变"
    return reply.page("loyalty/_movers.html", movers=_movers(movers), why=why, asked=True)


@page.get("/of/<no>")
@staff("settings.manage")
def putting(no: str) -> Response:
    return _hand_page(no, Form())


@page.post("/of/<no>")
@staff("settings.manage")
def put(no: str) -> Response:
    """A member into a tier by hand: it may be worth a discount, so it is the owner's."""
    form = Form(request.form)
    with reading() as session:
        names = tiers.names(session, me().merchant_id)
        member_id = get_member(session, no).id
    code, reason = form.one_of("tier", names), form.text("reason", longest=60)
    if form.errors or code is None:
        return _hand_page(no, form, 422)
    with transaction() as session:
        done = by_hand.put(
            session, member_id, code, reason=reason or "", actor=me().actor, now=clock_now()
        )
    said = f"调到「{names[code]}」了" if done else f"本来就在「{names[code]}」"
    return reply.done(url_for("console.members.show", no=no), said)


def _hand_page(no: str, form: Form, status: int = 200) -> Response:
    with reading() as session:
        member = get_member(session, no)
        programme = tiers.load(session, me().merchant_id)
    if not form["tier"]:
        form.put("tier", programme.of(member.tier).code)
    term = "到期那天再看够不够。" if programme.valid_days else "一直有效。"
    return reply.page(
        "loyalty/tier.html",
        status,
        form=form,
        no=no,
        name=people.name_of(member),
        now_in=programme.of(member.tier).name,
        term=term,
        choices=[(step.code, step.name) for step in reversed(programme.steps)],
    )


def _page(form: Form, count: int, status: int = 200) -> Response:
    with reading() as session:
        standing = _standing(session)
        choices = coupons(session)
        rule = _rule(tiers.load(session, me().merchant_id))
        picture = club_view.moves(session, clock_now())
    return reply.page(
        "loyalty/tiers.html",
        status,
        tabs=tabs("console.tiers.index"),
        form=form,
        rows=[Row(number, form[f"code_{number}"] == BASE_TIER) for number in range(count + 1)],
        standing=standing,
        rule=rule,
        picture=picture,
        coupons=choices,
        measures=MEASURES,
        windows=WINDOWS,
        terms=TERMS,
        falls=FALLS,
        together=TOGETHER,
        movers=[],
        why="",
        asked=False,
    )


def _standing(session: Session) -> list[dict[str, Any]]:
    """Members per tier, the lowest first."""
    counts = keeping.count_by_tier(session, me().merchant_id)
    whole = sum(counts.values())
    return [
        {
            "name": step.name,
            "people": words.count(counts.get(step.code, 0)),
            "share": words.share(counts.get(step.code, 0), whole),
            "pct": round(100 * counts.get(step.code, 0) / whole, 1) if whole else 0,
        }
        for step in tiers.tiers_of(session, me().merchant_id)
    ]


def _rule(programme: tiers.Programme) -> str:
    """How one rises and falls, in a sentence with this shop's figures."""
    if len(programme.steps) == 1:
        return "只有一级，人人都在里面。"
    first, periods = programme.steps[-2], {180: "半年", 365: "一年"}
    spent = programme.measure is Measure.spent
    need = f"¥{words.yuan(first.threshold)}" if spent else f"{first.threshold:,} 成长值"

    def period(days: int) -> str:
        return periods.get(days, f" {days} 天")

    since = f"近{period(programme.window_days)}" if programme.window_days else ""
    rises = f"{since}{'消费' if spent else ''}满 {need} 升「{first.name}」"
    if not programme.valid_days:
        return f"{rises}，一直有效；退款收回靠那笔钱升上去的。"
    grace = f"再宽限 {programme.grace_days} 天，还不够就" if programme.grace_days else "就"
    falls = dict(FALLS)[programme.fall.value]
    return f"{rises}，管{period(programme.valid_days)}；到期那天够就续，不够{grace}{falls}。"


def _form(programme: tiers.Programme) -> Form:
    spent = programme.measure is Measure.spent
    form = Form(
        measure=programme.measure.value,
        window=programme.window_days,
        term=programme.valid_days,
        grace=programme.grace_days,
        fall=programme.fall.value,
        existing="up",
    )
    form.put("alone", "yes" if programme.discount_alone else "no")
    for number, step in enumerate(reversed(programme.steps)):
        form.put(f"code_{number}", step.code)
        form.put(f"name_{number}", step.name)
        threshold = format_yuan(step.threshold, trim=True) if spent else step.threshold
        form.put(f"threshold_{number}", threshold)
        form.put(f"rate_{number}", f"{step.points_bp / 10_000:g}")
        folds = f"{(10_000 - step.discount_bp) / 1_000:g}" if step.discount_bp else ""
        form.put(f"fold_{number}", folds)
        form.put(f"birthday_{number}", step.birthday_template_id or "")
        form.put(f"benefits_{number}", step.benefits)
    return form


def _rows(form: Form) -> int:
    return sum(1 for number in range(editing.MOST_TIERS + 1) if form[f"name_{number}"].strip())


def _read(form: Form) -> tiers.Programme | None:
    """The programme that was typed; None with errors noted. A line without a name is left out."""
    measure = Measure(form.one_of("measure", list(Measure)) or Measure.spent)
    steps = []
    with reading() as session:
        known = {value for value, *_ in coupons(session)}
        held = tiers.load(session, me().merchant_id)
        codes = {step.code for step in held.steps}
    for number in range(editing.MOST_TIERS + 1):
        base = form[f"code_{number}"] == BASE_TIER
        if not form[f"name_{number}"].strip() and not base:
            continue
        name = form.text(f"name_{number}", longest=8)
        field = f"threshold_{number}"
        threshold: int | None = 0
        if not base:
            wide = form.yuan(field, low=1, high=10**9) if measure is Measure.spent else None
            threshold = wide if measure is Measure.spent else form.whole(field, low=1, high=10**7)
        rate = _rate(form, f"rate_{number}")
        off_bp = 0 if base else _off(form, f"fold_{number}")
        birthday = form.one_of(f"birthday_{number}", known | {""})
        benefits = form.text(f"benefits_{number}", longest=60, needed=False)
        if None not in (name, threshold, rate, off_bp, birthday, benefits):
            code = form[f"code_{number}"]
            steps.append(
                tiers.Step(
                    code if code in codes else "",
                    number,
                    name or "",
                    threshold or 0,
                    rate or 0,
                    benefits or "",
                    int(birthday) if birthday else None,
                    off_bp or 0,
                )
            )
    window = form.one_of("window", [value for value, _ in WINDOWS])
    term = form.one_of("term", [value for value, _ in TERMS])
    grace = form.whole("grace", high=90, needed=False)
    fall = form.one_of("fall", list(Fall))
    form.one_of("existing", ("up", "all"))
    alone = form.one_of("alone", [value for value, _ in TOGETHER])
    if form.errors or not steps:
        return None
    steps.sort(key=lambda step: -step.threshold)
    ranked = tuple(step._replace(rank=len(steps) - 1 - at) for at, step in enumerate(steps))
    return held._replace(  # the rules of points stand on another page, and stay
        steps=ranked,
        measure=measure,
        window_days=int(window or 0),
        valid_days=int(term or 0),
        grace_days=grace or 0,
        fall=Fall(fall or Fall.one_step),
        discount_alone=alone == "yes",
    )


def _off(form: Form, name: str) -> int | None:
    """`9.5` → 500 basis points off; "": none."""
    if not form[name].strip():
        return 0
    try:
        off = 10_000 - round(float(form[name]) * 1_000)
    except (ValueError, OverflowError):
        off = 0
    if not 1 <= off <= 9_000:
        form.refuse(name, "1 折到 9.9 折，不打折就空着")
        return None
    return off


def _rate(form: Form, name: str) -> int | None:
    """`1.5` → 15,000 basis points."""
    try:
        rate = round(float(form[name] or "1") * 10_000)
    except (ValueError, OverflowError):
        rate = -1
    if not 0 <= rate <= 100_000:
        form.refuse(name, "0 到 10 倍之间")
        return None
    return rate


def _movers(movers: list[editing.Movers]) -> dict[str, Any]:
    return {
        "up": words.count(sum(each.people for each in movers if each.up)),
        "down": words.count(sum(each.people for each in movers if not each.up)),
        "rows": [
            (each.before, each.after, words.count(each.people), "升" if each.up else "降")
            for each in movers
        ],
    }
