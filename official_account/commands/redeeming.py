"""核销: look at the coupon, choose the store where there are several, agree."""

from core import lockouts
from core.errors import LinliError
from coupons import redemption
from coupons import words as coupon_words
from coupons.errors import BillNeeded, CodeExpired, CouponNotFound
from merchants.queries import get_store
from messaging.words import plain
from official_account.commands.asking import Asker
from official_account.commands.parsing import NUMBER, REDEEM, YES, Command

ASK = "发「核销 券码」，或者用菜单的扫码核销。"
NOT_FRESH = "这不是刚生成的码，看看是不是截图，是不是本人。"


def begin(asker: Asker, code: str) -> str:
    """What it is and whether it is good; wrong codes count with those typed in the console."""
    if not code:
        return ASK
    guesses = redemption.guesses_of(asker.staff.id)
    lockouts.check(asker.session, guesses, now=asker.now)
    try:
        seen = redemption.preview(asker.session, code, asker.store_ids, asker.now)
    except CodeExpired as refused:  # an old screenshot is no guess
        return asker.refused(REDEEM, refused.detail)
    except CouponNotFound as refused:
        lockouts.fail(asker.session, guesses, now=asker.now, merchant_id=asker.merchant_id)
        return asker.refused(REDEEM, refused.detail)
    face, condition = coupon_words.face(seen.template), coupon_words.condition(seen.template)
    what = f"{plain(seen.template.name)}\n{face} · {condition}"
    if seen.problem:
        return f"{what}\n不能核销：{plain(seen.problem)}"
    if not seen.fresh and seen.coupon.member_id is not None:
        what += f"\n{NOT_FRESH}"
    # The number itself: a rotating code would be over before the question is.
    asker.ask("redeem", {"code": seen.coupon.code, "stores": seen.store_ids})
    if len(seen.store_ids) == 1:
        store = get_store(asker.session, seen.store_ids[0])
        return f"{what}\n在{store.name}核销？回复「确认」或「取消」。"
    rows = [
        f"{number}. {get_store(asker.session, store_id).name}"
        for number, store_id in enumerate(seen.store_ids, 1)
    ]
    return "\n".join([what, "在哪家店核销？回复数字：", *rows])


def go_on(asker: Asker, said: Command) -> str:
    """Where, and that it is right. What is repeated redeems once: the key is the question's."""
    question = asker.question()
    if question is None or not asker.may("coupons.redeem"):
        return ASK
    stores, code = question.data["stores"], question.data["code"]
    if said.word == NUMBER and len(stores) > 1:
        if not 1 <= int(said.more) <= len(stores):
            return f"在 1 到 {len(stores)} 里选一个。"
        store_id = stores[int(said.more) - 1]
        asker.ask("redeem", {"code": code, "stores": [store_id]})
        return f"在{get_store(asker.session, store_id).name}核销？回复「确认」或「取消」。"
    if said.word != YES or len(stores) != 1:
        return "回复数字选一家店。" if len(stores) > 1 else "回复「确认」或「取消」。"
    try:
        with asker.session.begin_nested():
            coupon = redemption.redeem(
                asker.session,
                code,
                store_id=stores[0],
                staff_id=asker.staff.id,
                key=f"chat:{question.token}",
                device="chat",
                now=asker.now,
            )
    except BillNeeded:
        asker.done()
        return (
            f"这张券要先知道消费多少。{asker.console('在控制台填金额核销 →', '/console/redeem/')}"
        )
    except LinliError as refused:
        asker.done()
        return asker.refused(REDEEM, f"没有核销：{plain(refused.detail)}")
    asker.done()
    off = f"，抵 ¥{coupon.discount_fen / 100:g}" if coupon.discount_fen else ""
    return f"核销好了{off}。弄错了可以在控制台撤销：{asker.console('看核销 →', '/console/redeem/')}"
