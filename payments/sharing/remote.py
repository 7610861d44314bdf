"""The conversation with the channel about sharing: prepare, commit, call, record.

`channel_of` finds the sharing side of an account of ours.
"""

from collections.abc import Callable
from datetime import datetime

from core.database import reading, transaction
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.sharing import Party, ReturnResult, SharingChannel, SharingResult
from payments.models import ReceiverState, ReturnState, SharingReceiver, SharingReturn
from payments.sharing import asking, receivers, recording, returning
from payments.sharing.asking import Asking, Step

Channels = Callable[[str], SharingChannel]
# Said of a payment that is too young, or whose goods are not settled yet.
_TOO_EARLY = "INVALID_REQUEST"
# A refund was faster: there is less to share than we thought.
_LESS = "NOT_ENOUGH"
RELEASED = "分账完成，解冻剩余资金"


def advance(channel_of: Channels, sharing_id: int, now: datetime) -> str:
    """One step of a sharing, in a word: `asked` and `wait` want another look soon, `again` later.

    Raises ChannelUnavailable or a transient ChannelRefused: the same is asked again.
    """
    with transaction() as session:
        ask = asking.prepare(session, sharing_id, now=now)
    if ask.step is Step.share:
        outcome = _share(channel_of(ask.account), sharing_id, ask, now)
        return advance(channel_of, sharing_id, now) if outcome == "shared" else outcome
    if ask.step is Step.release:
        return _release(channel_of(ask.account), sharing_id, ask, now)
    return ask.step.value


def _share(channel: SharingChannel, sharing_id: int, ask: Asking, now: datetime) -> str:
    try:
        result = channel.share(ask.no, ask.transaction_id, ask.parts)
    except ChannelRefused as error:
        if error.transient and error.pay_code != _LESS:
            raise
        # A no to a repetition may hide a yes to the first time.
        known = channel.query_sharing(ask.no, ask.transaction_id)
        if known is None:
            return _refused(sharing_id, ask.no, error.pay_code)
        result = known
    with transaction() as session:
        return recording.sharing(session, sharing_id, result, now=now)


def _refused(sharing_id: int, no: str, pay_code: str) -> str:
    with transaction() as session:
        if pay_code in (_TOO_EARLY, _LESS):
            return recording.ask_anew(session, sharing_id, no, pay_code)
        return recording.fail(session, sharing_id, no, pay_code)


def _release(channel: SharingChannel, sharing_id: int, ask: Asking, now: datetime) -> str:
    result: SharingResult | None
    try:
        result = channel.release(ask.no, ask.transaction_id, RELEASED)
    except ChannelRefused as error:
        if error.transient and error.pay_code != _LESS:
            raise
        result = channel.query_sharing(ask.no, ask.transaction_id)
        if result is None and channel.unshared_fen(ask.transaction_id) > 0:
            with transaction() as session:
                return recording.fail(session, sharing_id, ask.no, error.pay_code)
    if result is not None and not result.is_finished:
        return "asked"
    with transaction() as session:
        return recording.release(session, sharing_id, now=now)


def return_first(channel_of: Channels, refund_id: int, now: datetime) -> bool:
    """Whether a refund may go to the channel: what was shared of its money came back, or will not.

    A receiver that does not give back holds up nobody: the payer gets the money from the merchant.
    Raises ChannelUnavailable: ask again.
    """
    with reading() as session:
        if not returning.was_shared(session, refund_id):
            return True
    with transaction() as session:
        plan = returning.prepare(session, refund_id, now=now)
    if not plan.ready:
        return False
    waiting = False
    for each in plan.asked:
        state = _give_back(channel_of(plan.account), each, now)
        waiting |= state is ReturnState.asked and now - each.asked_at < returning.LOOKED_AFTER
    return not waiting


def _give_back(channel: SharingChannel, ask: returning.Asked, now: datetime) -> ReturnState:
    result: ReturnResult | None
    error = ""
    try:
        result = channel.give_back(ask.no, ask.sharing_no, ask.party_account, ask.amount_fen)
    except ChannelRefused as refused:
        if refused.transient and refused.pay_code != _LESS:
            raise ChannelUnavailable(refused.api, refused.pay_code, sent=False) from None
        result, error = channel.query_return(ask.no, ask.sharing_no), refused.pay_code
    with transaction() as session:
        return recording.give_back(session, ask.id, ask.no, result, now=now, error=error)


def check_return(channel_of: Channels, return_id: int, now: datetime) -> ReturnState:
    """How a return stands that a refund did not wait for."""
    with reading() as session:
        state = session.get_one(SharingReturn, return_id).state
        if state is not ReturnState.asked:
            return state
        account, ask = returning.asked_of(session, return_id)
    return _give_back(channel_of(account), ask, now)


def tell_receiver(channel: SharingChannel | None, receiver_id: int, now: datetime) -> ReceiverState:
    """Make the channel know what we want; safe to repeat. Without a channel, because the merchant's
    present number shares nothing, nobody has to be told of one that ends. Raises
    ChannelUnavailable, or a transient ChannelRefused."""
    with reading() as session:
        receiver = session.get_one(SharingReceiver, receiver_id)
    party = Party(receiver.kind, receiver.account, receiver.appid, receiver.name, receiver.relation)
    to = {
        ReceiverState.wanted: ReceiverState.active,
        ReceiverState.ending: ReceiverState.ended,
    }.get(receiver.state)
    if to is None or (channel is None and to is ReceiverState.active):
        return receiver.state
    error = ""
    try:
        if channel is not None:
            (channel.add_party if to is ReceiverState.active else channel.delete_party)(party)
    except ChannelRefused as refused:
        if refused.transient:
            raise
        error = refused.pay_code
    with transaction() as session:
        found = session.get_one(SharingReceiver, receiver_id, populate_existing=True)
        if error and to is ReceiverState.active:
            receivers.refuse(session, found, error)
        elif error:
            receivers.keep(session, found, error, now)
        else:
            receivers.move(session, found, to, error="")
        session.refresh(found)
        return found.state
