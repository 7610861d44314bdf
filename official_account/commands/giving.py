"""发券: choose one, say for whom, agree. It is given once, whatever is repeated."""

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

MOST = 9
YES_OR_NO = "回复「确认」或「取消」。"
AGAIN = "回复一个数字，或者「取消」。"


def begin(asker: Asker, _more: str) -> str:
    found = asker.session.scalars(
        select(CouponTemplate)
        .where(
            CouponTemplate.merchant_id == asker.merchant_id,
            CouponTemplate.state == TemplateState.active,
            CouponTemplate.valid_until.is_(None) | (CouponTemplate.valid_until > asker.now),
        )
        .order_by(CouponTemplate.id.desc())
        .limit(MOST)
    ).all()
    if not found:
        return "现在没有在发的券，先在控制台建一张。"
    asker.ask("give", {"templates": [template.id for template in found]})
    rows = [f"{number}. {plain(template.name)}" for number, template in enumerate(found, 1)]
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
    return _choose(asker, data, "templates", said.more, "template_id")


def _choose(asker: Asker, data: dict[str, object], of: str, said: str, into: str) -> str:
    options = data[of]
    assert isinstance(options, list)
    number = int(said)
    if not 1 <= number <= len(options):
        return f"在 1 到 {len(options)} 里选一个。"
    data[into] = options[number - 1]
    asker.ask("give", data)
    return _agree(asker, data) if into == "member_id" else "发给谁？回复手机号后四位。"


def _whose(asker: Asker, data: dict[str, object], digits: str) -> str:
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


def _agree(asker: Asker, data: dict[str, object]) -> str:
    template, member = _both(asker, data)
    person = asker.session.get_one(Person, member.person_id)
    what = f"「{plain(template.name)}」（{card_title(template)}）"
    return f"给 {line(member, person)} 发{what}？{YES_OR_NO}"


def _give(asker: Asker, data: dict[str, object], token: str) -> str:
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


def _both(asker: Asker, data: dict[str, object]) -> tuple[CouponTemplate, Member]:
    return (
        asker.session.get_one(CouponTemplate, data["template_id"]),
        asker.session.get_one(Member, data["member_id"]),
    )
