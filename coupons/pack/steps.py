"""What to do next about one card: our coupon beside what WeChat says. A pure rule.

A card that was used at WeChat while ours was free is nothing we asked for: ours is taken out of
circulation, so that no coupon counts twice. A card that its holder deleted stays deleted; the
coupon stays good with us.
"""

from dataclasses import dataclass
from enum import StrEnum

from coupons.models import CouponState
from coupons.pack.models import OPEN, CardState

_OURS = (CardState.unsent, CardState.refused)
MEANING = {state.value.upper(): state for state in CardState if state not in _OURS}


class Step(StrEnum):
    ask = "ask"
    send = "send"
    confirm = "confirm"
    use = "use"
    back = "back"
    end = "end"
    void = "void"


@dataclass(frozen=True)
class Facts:
    """`mine`: the coupon still belongs to whom the card was made for. `paid`: an order that was
    paid through WeChat Pay used it. `open`: the batch gives out cards. `used_by_us`: if the card
    is used, we asked for that.
    """

    ours: CouponState
    theirs: CardState
    mine: bool
    paid: bool
    open: bool
    unsure: bool
    used_by_us: bool


def next_step(facts: Facts) -> Step | None:
    """None: the two sides agree, or nothing can be done."""
    theirs = facts.theirs
    if facts.unsure:
        return Step.ask
    wanted = facts.mine and facts.ours in (CouponState.issued, CouponState.locked)
    if theirs is CardState.unsent:
        return Step.send if wanted and facts.open else None
    if theirs is CardState.used:
        if not wanted:
            return None
        return Step.back if facts.used_by_us else Step.void
    if theirs not in OPEN or facts.ours is CouponState.expired:
        return None
    if wanted:
        return Step.confirm if theirs is CardState.confirming else None
    if facts.ours is CouponState.redeemed and facts.mine and facts.paid:
        by_state = {CardState.confirming: Step.confirm, CardState.effective: Step.use}
        return by_state.get(theirs, Step.end)
    return Step.end


def number(step: Step, code: str, uses: int) -> str:
    """What a step is asked under: the same step of the same card is one request for ever."""
    return f"{step}-{code}-{uses}"


def read(said: str | None) -> CardState:
    """WeChat's word, and None for a card that it does not know. Raises ValueError."""
    if said is None:
        return CardState.unsent
    if said not in MEANING:
        raise ValueError(f"unknown state of a card: {said[:32]}")
    return MEANING[said]
