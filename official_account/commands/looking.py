"""查: a member by the last four digits of their phone, or by the end of their number."""

from sqlalchemy import func, or_, select

from core.clock import business_day
from core.money import format_yuan
from coupons.models import Coupon, CouponState
from crm import tiers
from crm.models import Member
from messaging.words import plain
from official_account.commands.asking import Asker
from official_account.commands.parsing import NUMBER, Command
from people.models import TAIL, Person, tail_index
from people.phones import mask

MOST = 5
ASK = "发手机号后四位，比如：查 3097"


def find(asker: Asker, more: str) -> str:
    """A card with a link; a choice where several have these digits. The look-up is on record."""
    if not more:
        asker.ask("find", {})
        return "要找谁？发手机号后四位。"
    if not is_tail(more):
        return ASK
    asker.done()
    found = by_tail(asker, more)
    asker.note("member.looked_up", f"merchant:{asker.merchant_id}", {"people": len(found)})
    if not found:
        return f"没有手机尾号 {more[-TAIL:]} 的会员。没留手机号的，在会员页按名字找。"
    if len(found) == 1:
        return card(asker, *found[0])
    lines = [
        f"{line(member, person)}\n{asker.console('看这位 →', f'/console/members/{member.no}')}"
        for member, person in found
    ]
    return "\n".join([f"{len(found)} 位会员是这个尾号：", *lines])


def go_on(asker: Asker, said: Command) -> str:
    """The digits that were asked for."""
    if said.word != NUMBER:
        return ASK
    return find(asker, said.more)


def is_tail(text: str) -> bool:
    return text.isascii() and text.isdigit() and TAIL <= len(text) <= 11


def by_tail(asker: Asker, digits: str) -> list[tuple[Member, Person]]:
    """Members with these last digits: of the phone by its hash, of the member number as it is."""
    tail = digits[-TAIL:]
    found = (
        select(Member, Person)
        .join(Person, Person.id == Member.person_id)
        .where(
            Member.merchant_id == asker.merchant_id,
            Member.merged_into_id.is_(None),
            or_(Person.phone_tail == tail_index(tail), Member.no == digits),
        )
        .order_by(Member.last_visit_at.desc(), Member.id.desc())
        .limit(MOST)
    )
    return [(member, person) for member, person in asker.session.execute(found)]


def line(member: Member, person: Person) -> str:
    name = plain(member.name) or f"会员 {member.no[-4:]}"
    return f"{name} {mask(person.phone) if person.phone else ''}".strip()


def card(asker: Asker, member: Member, person: Person) -> str:
    coupons = select(func.count()).where(
        Coupon.member_id == member.id,
        Coupon.state == CouponState.issued,
        Coupon.expires_at > asker.now,
    )
    unused = asker.session.scalar(coupons) or 0
    tier = tiers.name_of(asker.session, asker.merchant_id, member.tier)
    spent = format_yuan(member.spent_fen - member.refunded_fen)
    last = "还没到过店"
    if member.last_visit_at is not None:
        days = (business_day(asker.now) - business_day(member.last_visit_at)).days
        last = f"{days} 天前来过" if days else "今天来过"
    return "\n".join(
        [
            f"{line(member, person)}（{tier}）",
            f"{member.orders_count} 单，一共 ¥{spent}，{last}",
            f"{member.points} 积分，{unused} 张没用的券",
            asker.console("看这位会员 →", f"/console/members/{member.no}"),
        ]
    )
