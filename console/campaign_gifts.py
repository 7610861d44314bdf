"""What a campaign gives, as it is chosen in the form and said on its pages."""

from typing import Any

from sqlalchemy.orm import Session

from console import tickets, words
from console.forms import Form, whole
from coupons.models import CouponTemplate
from crm.campaigns.drafting import MOST_POINTS, Draft, Other
from crm.campaigns.offers import Offer, make
from crm.campaigns.variants import Variant
from crm.models import Campaign

COUPON, POINTS, WORDS = "coupon", "points", "words"
CHOICES = ((COUPON, "优惠券"), (POINTS, "积分"), (WORDS, "只说话，不送东西"))
Chosen = tuple[int | None, int]
"""(template, points)"""


def read(form: Form) -> Chosen:
    """A coupon that was not chosen is 0, which drafting refuses."""
    match form["gift"] or COUPON:
        case "points":
            return None, form.whole("points", low=1, high=MOST_POINTS) or 0
        case "words":
            return None, 0
    return whole(form["template"]) or 0, 0


def read_other(form: Form, no: int, first: Chosen) -> Chosen:
    """The same as the first, another coupon, or nothing."""
    chosen = form[f"template_{no}"]
    if chosen == WORDS:
        return None, 0
    return (whole(chosen), 0) if whole(chosen) else first


def put(form: Form, draft: Draft) -> None:
    """What is written down, back into the form."""
    form.put("gift", COUPON if draft.template_id else POINTS if draft.points else WORDS)
    form.put("template", draft.template_id)
    form.put("points", draft.points or "")
    for no, other in enumerate(draft.others, start=1):
        form.put(f"template_{no}", _chosen(draft, other))


def _chosen(draft: Draft, other: Other) -> str:
    if (other.template_id, other.points) == (draft.template_id, draft.points):
        return ""
    return WORDS if other.template_id is None else str(other.template_id)


def find_offer(session: Session, merchant_id: int, draft: Draft) -> Offer | None:
    """What the draft gives, or None while a coupon has not been chosen yet."""
    if draft.template_id is not None:
        template = session.get(CouponTemplate, draft.template_id)
        if template is None or template.merchant_id != merchant_id:
            return None
    variant = Variant(0, draft.template_id, draft.message, points=draft.points)
    return make(session, merchant_id, variant, expected_use_bp=draft.expected_use_bp)


def name_of(session: Session, variant: Variant) -> str:
    if variant.template_id is not None:
        return session.get_one(CouponTemplate, variant.template_id).name
    return f"送 {words.count(variant.points)} 积分" if variant.points else "只说话，不送东西"


def shown(session: Session, variant: Variant) -> dict[str, Any]:
    """A ticket, or words where there is none."""
    if variant.template_id is None:
        return {"ticket": None, "gives": name_of(session, variant)}
    template = session.get(CouponTemplate, variant.template_id)
    return {"ticket": tickets.of_template(template) if template else None, "gives": ""}


def received(offer: Offer | None) -> str:
    """What people get, in the middle of a sentence."""
    if offer is None or offer.template is not None:
        return "券和消息"
    return "积分和消息" if offer.variant.points else "消息"


def given(campaign: Campaign) -> str:
    """One word for it; empty: nothing."""
    return "券" if campaign.template_id is not None else "积分" if campaign.points else ""


def costs(offer: Offer | None, people: int, used_share: float | None) -> list[tuple[str, str]]:
    if offer is None:
        return []
    most = f"¥{words.yuan(people * offer.face_fen)}" if offer.face_fen else ""
    if offer.variant.points:
        number = words.count(people * offer.variant.points)
        return [("送积分，最多", f"{number} 分"), ("要是全部用掉，相当于", most)]
    if offer.template is None:
        return [("送的东西", "没有，只发消息")]
    rows = [("发券，最多", f"{words.count(people)} 张")]
    if used_share is not None and people:
        rows.append(("按以往核销率", f"约 {words.count(round(people * used_share))} 张会用掉"))
    if most:
        rows.append(("要是全部核销，最多", most))
    left = offer.template.left
    if left is not None:
        short = "，不够" if left < people else ""
        rows.append(("库存", f"还能发 {words.count(left)} 张{short}"))
    return rows
