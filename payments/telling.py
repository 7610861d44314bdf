"""What staff hear of money in the chat that is open: the question whether some goes back, that it
came too late, and that somebody has to look at a refund or a sharing."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from core.clock import local
from core.money import format_yuan
from merchants.models import Staff
from merchants.roles import may
from merchants.staff import stores_of
from messaging import questions
from messaging.words import plain
from orders.models import Order, OrderState
from payments import asking
from payments.asked_models import AskedRefund, AskedState
from payments.models import (
    DONE_BEFORE,
    Bill,
    PaymentAttempt,
    ReceiverState,
    Refund,
    ReturnState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingReturn,
    SharingState,
)
from payments.refunding import stuck
from payments.sharing import returning


def tell_asked(session: Session, asked_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may agree and has an open chat; how many that are."""
    asked = session.get_one(AskedRefund, asked_id)
    if asked.state is not AskedState.pending:
        return 0
    answers = f"回复「同意退款 {asked.code}」或「不同意退款 {asked.code}」"
    return _tell(
        session,
        asked.merchant_id,
        "orders.refund",
        store_id=asked.store_id,
        also=lambda staff: (
            asked.asked_by != f"staff:{staff.id}" and asking.may_agree(session, asked, staff)
        ),
        text=f"{plain(asking.question(session, asked))}\n{answers}",
        key=f"asked_refund:{asked.id}",
        now=now,
    )


def tell_stuck(session: Session, refund_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may give money back in the store of a refund that is stuck;
    how many that are. One that came through meanwhile is none."""
    refund = session.get_one(Refund, refund_id)
    if not (why := stuck.why(refund, now)):
        return 0
    order = session.get_one(Order, refund.order_id)
    what = order.pickup_number or order.no[-6:]
    asked = f"{local(refund.requested_at):%m-%d %H:%M}"
    amount = format_yuan(refund.channel_fen)
    return _tell(
        session,
        refund.merchant_id,
        "orders.refund",
        store_id=refund.store_id,
        text=f"{what} 的退款 ¥{amount}（{asked} 提交）{why}\n到控制台的「退款」里处理。",
        key=f"stuck_refund:{refund.id}:{refund.state}:{refund.error}",
        now=now,
    )


def tell_late(session: Session, attempt_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may give money back in the store: money came that nobody owes
    any more; how many that are."""
    attempt = session.get_one(PaymentAttempt, attempt_id)
    order = session.get_one(Order, session.get_one(Bill, attempt.bill_id).order_id)
    what = order.pickup_number or order.no[-6:]
    why = "订单已取消" if order.state is OrderState.cancelled else "已经付过了"
    return _tell(
        session,
        order.merchant_id,
        "orders.refund",
        store_id=order.store_id,
        text=f"{what} 又收到 ¥{format_yuan(attempt.amount_fen)}，可是{why}：这笔钱正在自动退回。\n"
        "到控制台的「退款」里看它到了没有。",
        key=f"late_payment:{attempt.id}",
        now=now,
    )


def tell_sharing(session: Session, sharing_id: int, *, now: datetime) -> int:
    """Prepare a message for each who settles: of a payment somebody got nothing; how many that are.
    One that was put right meanwhile is none."""
    sharing = session.get_one(Sharing, sharing_id)
    stuck_now = sharing.state in (SharingState.shared, SharingState.failed)
    if not (stuck_now and sharing.error):
        return 0
    order = session.get_one(Order, sharing.order_id)
    return _tell(
        session,
        sharing.merchant_id,
        "money.settle",
        text=f"订单 {order.pickup_number or order.no[-6:]} 的钱没有分成（{sharing.error}），"
        "微信还冻着它。\n到控制台的「结算 → 分账」里看原因，改好再分一次。",
        key=f"stuck_sharing:{sharing.id}:{sharing.round}:{sharing.state}:{sharing.error}",
        now=now,
    )


def tell_refused(session: Session, receiver_id: int, *, now: datetime) -> int:
    """Prepare a message for each who settles: the channel will not have this receiver, or not let
    it go."""
    receiver = session.get_one(SharingReceiver, receiver_id)
    whose = plain(receiver.name or receiver.account)
    if receiver.state is ReceiverState.ending and receiver.error:
        return _tell(
            session,
            receiver.merchant_id,
            "money.settle",
            text=f"微信没有取消分账接收方「{whose}」（{receiver.error}），收款已经不分给它。\n"
            "到控制台的「结算 → 分账」里再取消一次。",
            key=f"kept_receiver:{receiver.id}:{now.timestamp():.0f}",
            now=now,
        )
    if receiver.state is not ReceiverState.refused:
        return 0
    return _tell(
        session,
        receiver.merchant_id,
        "money.settle",
        text=f"微信没有接受分账接收方「{whose}」"
        f"（{receiver.error}），收款不会分给它。\n到控制台的「结算 → 分账」里改好再加一次。",
        key=f"refused_receiver:{receiver.id}:{receiver.created_at.timestamp():.0f}",
        now=now,
    )


def tell_return(session: Session, return_id: int, *, now: datetime) -> int:
    """Prepare a message for each who settles: a receiver did not give back its part of a refund,
    which the merchant paid alone. One that is asked again is none."""
    back = session.get_one(SharingReturn, return_id)
    if back.state is not ReturnState.failed:
        return 0
    part = session.get_one(SharingPart, back.part_id)
    sharing = session.get_one(Sharing, part.sharing_id)
    receiver = session.get_one(SharingReceiver, part.receiver_id)
    order = session.get_one(Order, sharing.order_id)
    whose = plain(receiver.name or receiver.account)
    return _tell(
        session,
        sharing.merchant_id,
        "money.settle",
        text=f"订单 {order.pickup_number or order.no[-6:]} 退款，「{whose}」"
        f"没有退回它分到的 ¥{format_yuan(back.amount_fen)}（{back.error}），这份先由你出了。\n"
        "到控制台的「结算 → 分账」里再收一次。",
        key=f"failed_return:{back.no}",
        now=now,
    )


def tell_short(session: Session, refund_id: int, *, now: datetime) -> int:
    """Prepare a message for each who settles: receivers gave their parts back for a refund that
    failed, and are short of them as long as it is not asked for again."""
    refund = session.get_one(Refund, refund_id)
    short = [
        one
        for one in returning.list_short(session, refund.merchant_id)
        if one.refund.attempt_id == refund.attempt_id
    ]
    if not short:
        return 0
    order = session.get_one(Order, refund.order_id)
    names = "、".join(plain(one.receiver.name or one.receiver.account) for one in short)
    amount = format_yuan(sum(one.fen for one in short))
    what = "到控制台的「退款」里再退一次；不退了就把这份补给对方。"
    if refund.error == DONE_BEFORE:
        what = "前一笔其实退成了，这笔不用再退：把这份补给对方。"
    return _tell(
        session,
        refund.merchant_id,
        "money.settle",
        text=f"订单 {order.pickup_number or order.no[-6:]} 的退款没退成，{names}的 ¥{amount} 却已经"
        f"收回来，在你账上。\n{what}",
        key=f"short:{refund.id}",
        now=now,
    )


def _tell(
    session: Session,
    merchant_id: int,
    permission: str,
    *,
    text: str,
    key: str,
    now: datetime,
    store_id: int | None = None,
    also: Callable[[Staff], bool] = lambda staff: True,
) -> int:
    """Prepare `text` for each who has the permission, in that store if it is about one."""

    def hears(staff: Staff) -> bool:
        here = store_id is None or store_id in stores_of(session, staff)
        return here and also(staff)

    return questions.put(
        session,
        merchant_id,
        to=lambda staff: may(staff.role, permission) and hears(staff),
        text=text,
        key=key,
        now=now,
    )
