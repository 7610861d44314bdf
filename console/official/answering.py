"""Automatic answers: the list, the form, and a box that says what somebody would hear."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from console import reply
from console.access import me, staff
from console.forms import Form
from console.official import answer_form, materials, menu_words
from console.official.blueprint import find_account, get_account, page, shown
from console.words import WEEKDAYS
from core import audit
from core.clock import local
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from messaging import answers, replies
from messaging.materials import files
from messaging.menus import DEFAULT_PAGES, REDEEM_KEY, STAFF_KEY, versions
from messaging.models import ReplyRule

NEW = {
    "kind": replies.KEYWORD,
    "match": "contains",
    "priority": 0,
    "from": "00:00",
    "until": "24:00",
    "enabled": "on",
    "p0.type": "text",
}


@page.get("/")
@staff("official.manage")
def answering() -> Response:
    with reading() as session:
        account = find_account(session)
        rules = replies.list_rules(session, account.appid) if account else []
        groups = _groups(rules, _buttons(session, account.appid) if account else {})
    return reply.page(
        "official/answers.html",
        account=shown(account) if account else None,
        groups=groups,
        tried=None,
        form=Form(said=""),
        total=len(rules),
    )


@page.post("/try")
@staff("official.manage")
def try_answer() -> Response:
    """What somebody who says this would hear now. Nothing is written or sent."""
    form, now = Form(request.form), clock_now()
    with reading() as session:
        account = get_account(session)
        tried = _try(session, account.appid, form["said"][:200], now)
    return reply.page("official/try.html", tried=tried, form=form)


@page.get("/answers/new")
@staff("official.manage")
def new_answer() -> Response:
    given = {name: request.args[name] for name in ("kind", "word") if name in request.args}
    return _form_page(Form({**NEW, **given}), list("0123456"))


@page.post("/answers/new")
@staff("official.manage")
def create_answer() -> Response:
    return _save(None)


@page.get("/answers/<int:rule_id>")
@staff("official.manage")
def edit_answer(rule_id: int) -> Response:
    with reading() as session:
        rule = _rule(session, rule_id)
        values = answer_form.typed(rule)
        days = [str(day) for day in range(7) if rule.weekdays >> day & 1]
    return _form_page(Form(values), days, rule_id=rule_id)


@page.post("/answers/<int:rule_id>")
@staff("official.manage")
def save_answer(rule_id: int) -> Response:
    return _save(rule_id)


@page.post("/answers/<int:rule_id>/drop")
@staff("official.manage")
def drop_answer(rule_id: int) -> Response:
    with transaction() as session:
        rule = _rule(session, rule_id)
        _record(session, "reply.drop", rule, before=_told(rule))
        replies.drop(session, rule)
    return reply.done(url_for("console.official.answering"), "已删除，几秒后生效")


@page.post("/answers/form")
@staff("official.manage")
def redraw_answer() -> Response:
    """The form again, with the fields that the chosen kinds have."""
    days = request.form.getlist("days")
    return reply.page("official/answer_again.html", **_context(Form(request.form), days))


def _save(rule_id: int | None) -> Response:
    form, days = Form(request.form), request.form.getlist("days")
    draft = answer_form.read(form, request.form, days)
    if draft is None:
        return _form_page(form, days, 422, rule_id)
    with transaction() as session:
        account = get_account(session)
        known = _rule(session, rule_id) if rule_id else None
        before = _told(known) if known else None
        rule = replies.save(session, account.appid, draft, rule=known)
        _record(session, "reply.save", rule, before=before, after=_told(rule))
    return reply.done(url_for("console.official.answering"), "已保存，几秒后生效")


def _form_page(
    form: Form, days: list[str], status: int = 200, rule_id: int | None = None
) -> Response:
    return reply.page("official/answer.html", status, rule_id=rule_id, **_context(form, days))


def _context(form: Form, days: list[str]) -> dict[str, Any]:
    places = []
    kinds = [form[f"p{place}.type"] for place in range(answers.MOST_PARTS)]
    with reading() as session:
        account = find_account(session)
        chosen = _chosen(session, account.appid, kinds) if account else {}
        buttons = _buttons(session, account.appid) if account else {}
    for place in range(answers.MOST_PARTS):
        kind = form[f"p{place}.type"]
        if place and not kind and not form[f"p{place - 1}.type"]:
            break
        names = answers.FIELDS.get(kind, ())
        fields = [
            (
                f"p{place}.{name}",
                answer_form.LABELS[name],
                name,
                name in answers.OPTIONAL,
                _with_own(chosen.get((kind, name)), form[f"p{place}.{name}"]),
            )
            for name in names
        ]
        places.append({"name": f"p{place}.type", "kind": kind, "fields": fields})
    return {
        "form": form,
        "days": days,
        "places": places,
        "kinds": list(answer_form.KINDS.items()),
        "matches": [(match.value, words) for match, words in answer_form.MATCHES.items()],
        "types": list(answer_form.TYPES.items()),
        "pages": DEFAULT_PAGES,
        "weekdays": list(enumerate(WEEKDAYS)),
        "buttons": _clickable(buttons, form["word"]),
    }


def _clickable(buttons: dict[str, str], own: str) -> list[tuple[str, str]]:
    """The buttons that an answer may be for; what a rule names already is among them."""
    known = [(key, name) for key, name in buttons.items() if not key.startswith(STAFF_KEY)]
    options = [(key, name) for key, name in known if key != REDEEM_KEY]
    if own and own not in dict(options):
        options.append((own, "菜单上没有按钮用它"))
    return options or [("", "菜单里还没有「回复一段话」的按钮")]


def _chosen(
    session: Session, appid: str, kinds: list[str]
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """What may be chosen for the fields that name a material, by (kind, field)."""
    fields = {
        ("image", "media_id"): (files.IMAGE,),
        ("voice", "media_id"): (files.VOICE,),
        ("video", "media_id"): (files.VIDEO,),
        ("music", "thumb_media_id"): (files.THUMB, files.IMAGE),
    }
    return {
        (kind, name): materials.options(session, appid, *wanted, lasting=True)
        for (kind, name), wanted in fields.items()
        if kind in kinds
    }


def _with_own(options: list[tuple[str, str]] | None, own: str) -> list[tuple[str, str]] | None:
    """The choice with what the rule names already, though we may not know it."""
    if options is None:
        return None
    known = [("", "选一个"), *options]
    return known if own in dict(known) else [*known, (own, f"原来的素材 …{own[-6:]}")]


def _try(session: Session, appid: str, said: str, now: datetime) -> dict[str, Any] | None:
    if not said.strip():
        return None
    rule = replies.find_rule(session, appid, replies.KEYWORD, said, now)
    by = "关键词" if rule else "其他消息"
    rule = rule or replies.find_rule(session, appid, replies.DEFAULT, "", now)
    parts = list(rule.parts) if rule else []
    first, _ = answers.split(parts)
    return {
        "at": f"{local(now):%H:%M}",
        "said": said,
        "by": f"{by}：{_short(rule.word)}" if rule and rule.word else by,
        "rule_id": rule.id if rule else None,
        "parts": [
            {"words": answers.describe(part), "kind": part["type"], "later": part is not first}
            for part in parts
        ],
    }


def _buttons(session: Session, appid: str) -> dict[str, str]:
    """The names of the menu's buttons, by the key that an answer is found by."""
    draft = versions.find_draft(session, appid)
    names = menu_words.button_names(versions.current(session, appid))
    return {**(menu_words.button_names(draft.menus) if draft else {}), **names}


def _groups(rules: list[ReplyRule], buttons: dict[str, str]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {kind: [] for kind in answer_form.KINDS}
    for rule in rules:
        groups.setdefault(rule.kind, []).append(
            {
                "id": rule.id,
                "word": _title(rule, buttons),
                "match": answer_form.MATCHES[rule.match] if rule.kind == replies.KEYWORD else "",
                "says": [(part["type"], answers.describe(part)) for part in rule.parts],
                "when": answer_form.when(rule),
                "priority": rule.priority,
                "on": rule.enabled,
            }
        )
    return [
        {"kind": kind, "title": answer_form.KINDS.get(kind, kind), "rows": rows}
        for kind, rows in groups.items()
    ]


def _title(rule: ReplyRule, buttons: dict[str, str]) -> str:
    """What it answers to; a menu's answer by its button."""
    if rule.kind == replies.CLICK:
        return buttons.get(rule.word, "菜单上没有按钮用它")
    if rule.kind == replies.DEFAULT:
        return "对不上的都回这句"
    return _short(rule.word) or "任何"


def _short(word: str) -> str:
    return "、".join(word.split("\n"))


def _rule(session: Session, rule_id: int) -> ReplyRule:
    rule = replies.get_rule(session, get_account(session).appid, rule_id)
    if rule is None:
        raise NotFound("没有这条回复")
    return rule


def _told(rule: ReplyRule) -> dict[str, Any]:
    says = "；".join(answers.describe(part) for part in rule.parts)
    return {"name": _short(rule.word), "message": says}


def _record(session: Session, action: str, rule: ReplyRule, **what: Any) -> None:
    audit.record(
        session,
        actor=me().actor,
        action=action,
        subject=f"reply:{rule.id}",
        merchant_id=me().merchant_id,
        now=clock_now(),
        **what,
    )
