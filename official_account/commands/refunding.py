"""退款: what waits for a word, what is on its way, what is stuck; and the word itself.

Whoever agrees hears the amount and says so once more. What is over the day's sum for the chat is
agreed to in the console, which asks for a password.
"""

from sqlalchemy import func, select

from core.errors import LinliError
from core.money import format_yuan
from messaging.words import plain
from official_account.commands.asking import Asker
from official_account.commands.parsing import AGREE_REFUND, YES, Command
from orders.models import Order
from payments import asking
from payments.asked_models import AskedRefund, AskedState
from payments.errors import AskedByOneself, AskedNotFound, AskedOver, PaymentInProgress
from payments.models import UNSETTLED, Refund, RefundState
from payments.queries import list_live_attempts
from payments.refunding import Wanted, listing

MOST = 5
YES_OR_NO = "回复「确认」或「取消」。"


def waiting(asker: Asker, _more: str) -> str:
    asker.note("chat.refunds", f"merchant:{asker.merchant_id}")
    found = asking.list_open(asker.session, asker.store_ids, limit=MOST)
    lines = ["没有等你点头的退款。"] if not found else ["等你点头的退款："]
    for each in found:
        lines.append(plain(asking.question(asker.session, each)))
        lines.append(f"回复「同意退款 {each.code}」或「不同意退款 {each.code}」")
    return "\n".join([*lines, _under_way(asker)])


def agree(asker: Asker, code: str) -> str:
    """What it is, once more, before anything moves."""
    asked = _find(asker, code)
    if asked.asked_by == asker.actor:
        raise AskedByOneself
    left = asking.left_in_chat(asker.session, asker.staff, now=asker.now)
    if asked.amount_fen > left:
        order = asker.session.get_one(Order, asked.order_id)
        there = asker.console("到控制台退 →", f"/console/orders/{order.no}")
        this = format_yuan(asked.amount_fen)
        return f"今天在聊天里还能同意 ¥{format_yuan(left)}，这笔 ¥{this}。{there}"
    if _ends_what_is_paid_now(asker, asked):
        return _being_paid(asker, asked)
    asker.ask("refund", {"code": asked.code, "amount_fen": asked.amount_fen})
    return f"{plain(asking.question(asker.session, asked))}。\n退了收不回来。{YES_OR_NO}"


def go_on(asker: Asker, said: Command) -> str:
    question = asker.question()
    if question is None or said.word != YES or not asker.may("orders.refund"):
        return YES_OR_NO
    asked = _find(asker, question.data["code"])
    try:
        with asker.session.begin_nested():
            asking.agree(asker.session, asked, staff=asker.staff, via=asking.CHAT, now=asker.now)
    except PaymentInProgress:  # to close that is a call to the channel, which the console makes
        asker.done()
        return asker.refused(AGREE_REFUND, f"没有退：{_being_paid(asker, asked)}")
    except LinliError as refused:
        asker.done()
        return asker.refused(AGREE_REFUND, f"没有退：{refused.detail}")
    asker.done()
    if asking.is_by_hand(asked):
        return f"¥{format_yuan(asked.amount_fen)} 记好了，算已退。"
    return f"¥{format_yuan(asked.amount_fen)} 正在退回，一般 1–3 分钟到账。"


def refuse(asker: Asker, code: str) -> str:
    asked = asking.find_by_code(asker.session, asker.merchant_id, code)
    asking.refuse(asker.session, asked, staff=asker.staff, via=asking.CHAT, now=asker.now)
    return f"没有同意，¥{format_yuan(asked.amount_fen)} 不退。"


def _ends_what_is_paid_now(asker: Asker, asked: AskedRefund) -> bool:
    if not Wanted.of_json(asked.wanted).cancels:
        return False
    lives = list_live_attempts(asker.session, asked.order_id)
    return any(live.state in UNSETTLED for live in lives)


def _being_paid(asker: Asker, asked: AskedRefund) -> str:
    order = asker.session.get_one(Order, asked.order_id)
    there = asker.console("到控制台同意 →", f"/console/orders/{order.no}/asked-refund")
    return f"顾客正打开着付款页，同意前要先关掉它，聊天里关不了。{there}"


def _find(asker: Asker, code: str) -> AskedRefund:
    asked = asking.find_by_code(asker.session, asker.merchant_id, code)
    if asked.store_id not in asker.store_ids:
        raise AskedNotFound
    if asked.state is not AskedState.pending:
        raise AskedOver
    return asked


def _under_way(asker: Asker) -> str:
    stores = asker.store_ids
    going = select(func.count(), func.coalesce(func.sum(Refund.amount_fen), 0)).join(
        Order, Order.id == Refund.order_id
    )
    number, fen = asker.session.execute(
        going.where(
            Order.store_id.in_(stores),
            Refund.state.in_((RefundState.requested, RefundState.processing)),
        )
    ).one()
    stuck = listing.count_stuck(asker.session, asker.merchant_id, stores, asker.now)
    words = f"{number} 笔退款在路上，共 ¥{format_yuan(int(fen))}" if number else "没有在路上的退款"
    if stuck:
        words += f"；{stuck} 笔没退成，要处理"
    return f"{words}。{asker.console('到控制台看退款 →', '/console/refunds/')}"
