"""发券: choose one, say for whom, agree. It is given once, whatever is repeated.

Those that are given most come first, nine at a time; part of a name finds one at once.
"""

from typing import Any

from sqlalchemy import select

from coupons import issuing
from coupons.errors import NotClaimable
from coupons.models import CouponTemplate, TemplateState
from coupons.words import card_title
from crm.models import Member
from messaging.words import plain
from official_account.commands.asking import Asker
from official_account.commands.looking import by_tail, is_tail, line
from official_account.commands.parsing import NUMBER, YES, Command
from people.models import Person

PAGE = 9
MOST = 90
"""Of more a choice by numbers is no help: whoever gives one of those knows its name."""
YES_OR_NO = "回复「确认」或「取消」。"
AGAIN = "回复一个数字，或者「取消」。"
WHOSE = "发给谁？回复手机号后四位。"


def begin(asker: Asker, part_of_name: str) -> str:
    of_name = CouponTemplate.name.contains(part_of_name, autoescape=True)
    found = asker.session.execute(
        select(CouponTemplate.id, CouponTemplate.name)
        .where(
            CouponTemplate.merchant_id == asker.merchant_id,
            CouponTemplate.state == TemplateState.active,
            CouponTemplate.valid_until.is_(None) | (CouponTemplate.valid_until > asker.now),
            *([of_name] if part_of_name else []),
        )
        .order_by(CouponTemplate.issued_count.desc(), CouponTemplate.id.desc())
        .limit(MOST)
    ).all()
    if not found and part_of_name:
        return f"没有名字里有「{plain(part_of_name)}」的券在发。发「发券」看全部。"
    if not found:
        return "现在没有在发的券，先在控制台建一张。"
    if part_of_name and len(found) == 1:
        asker.ask("give", {"template_id": found[0].id})
        return f"「{plain(found[0].name)}」。{WHOSE}"
    return _offer(asker, [template_id for template_id, _ in found], 0)


def _offer(asker: Asker, templates: list[int], start: int) -> str:
    """The page of the choice that begins there; the number after the last one turns it."""
    shown = templates[start : start + PAGE]
    asker.ask("give", {"templates": templates, "from": start})
    known = select(CouponTemplate.id, CouponTemplate.name).where(CouponTemplate.id.in_(shown))
    names = dict(asker.session.execute(known).all())
    rows = [f"{number}. {plain(names[each])}" for number, each in enumerate(shown, 1)]
    if len(templates) > PAGE:
        left = len(templates) - start - len(shown)
        more = f"更多（还有 {left} 张）" if left else "从头看"
        rows.append(f"{len(shown) + 1}. {more}")
        rows.append("也可以发「发券 名字里的字」")
    return "\n".join(["发哪一张？回复数字：", *rows])


def go_on(asker: Asker, said: Command) -> str:
    """The next answer: which coupon, whose digits, which of them, and that it is right."""
    question = asker.question()
    data = dict(question.data) if question is not None else {}
    if not asker.may("coupons.issue") or question is None:
        return AGAIN
    if "member_id" in data:
        return (
            _give(asker, data, question.token) if said.word == YES else "回复「确认」或「取消」。"
        )
    if said.word != NUMBER:
        return AGAIN
    if "people" in data:
        return _choose(asker, data, "people", said.more, "member_id")
    if "template_id" in data:
        return _whose(asker, data, said.more)
    templates, start = data["templates"], data.get("from", 0)
    shown = templates[start : start + PAGE]
    if len(templates) > PAGE and int(said.more) == len(shown) + 1:
        after = start + PAGE
        return _offer(asker, templates, after if after < len(templates) else 0)
    data["templates"] = shown
    return _choose(asker, data, "templates", said.more, "template_id")


def _choose(asker: Asker, data: dict[str, Any], of: str, said: str, into: str) -> str:
    options = data[of]
    number = int(said)
    if not 1 <= number <= len(options):
        return f"在 1 到 {len(options)} 里选一个。"
    data[into] = options[number - 1]
    asker.ask("give", data)
    return _agree(asker, data) if into == "member_id" else WHOSE


def _whose(asker: Asker, data: dict[str, Any], digits: str) -> str:
    if not is_tail(digits):
        return "回复手机号后四位。"
    found = by_tail(asker, digits)
    if not found:
        return f"没有尾号 {digits[-4:]} 的会员，换一个，或者「取消」。"
    if len(found) == 1:
        data["member_id"] = found[0][0].id
        asker.ask("give", data)
        return _agree(asker, data)
    data["people"] = [member.id for member, _ in found]
    asker.ask("give", data)
    rows = [f"{number}. {line(*each)}" for number, each in enumerate(found, 1)]
    return "\n".join(["是哪一位？回复数字：", *rows])


def _agree(asker: Asker, data: dict[str, Any]) -> str:
    template, member = _both(asker, data)
    person = asker.session.get_one(Person, member.person_id)
    what = f"「{plain(template.name)}」（{card_title(template)}）"
    return f"给 {line(member, person)} 发{what}？{YES_OR_NO}"


def _give(asker: Asker, data: dict[str, Any], token: str) -> str:
    template, member = _both(asker, data)
    coupon = issuing.issue(
        asker.session,
        template.id,
        member.id,
        source=f"staff:{asker.staff.id}",
        key=f"staff:{asker.staff.id}:{token}",
        actor=asker.actor,
        now=asker.now,
    )
    if coupon is None:
        raise NotClaimable("这一张已经发过了")
    given = {"template_id": template.id, "coupon_id": coupon.id}
    asker.note("coupon.give", f"member:{member.id}", given)
    asker.done()
    return f"发好了，「{plain(template.name)}」在{plain(member.name) or '对方'}的券包里。"


def _both(asker: Asker, data: dict[str, Any]) -> tuple[CouponTemplate, Member]:
    return (
        asker.session.get_one(CouponTemplate, data["template_id"]),
        asker.session.get_one(Member, data["member_id"]),
    )
