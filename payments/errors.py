"""What can be wrong with paying and refunding."""

from core.errors import Conflict, Gone, Invalid, NotFound


class NotPayable(Conflict):
    code = "order_not_payable"
    title = "这笔订单现在不能支付"


class WayNotOffered(Conflict):
    code = "way_not_offered"
    title = "这里不收这种付款方式"


class BillsInvalid(Invalid):
    code = "bills_invalid"
    title = "分开付的金额加起来不对"


class SplitInvalid(Invalid):
    code = "split_invalid"
    title = "这个金额分不了这么多份"


class ShareTaken(Conflict):
    code = "share_taken"
    title = "有人正在付这一份，换一份，或过几分钟再看"


class ShareNotFound(NotFound):
    code = "share_not_found"
    title = "这个分摊不在了，问问发给你的人"


class BalanceNotTaken(Conflict):
    code = "balance_not_taken"
    title = "这笔订单不能用储值余额付"


class BalancePartInvalid(Invalid):
    code = "balance_part_invalid"
    title = "余额抵扣的金额不对"


class BillRequired(Invalid):
    """`bills`: those that are open, by number, kind and sum."""

    code = "bill_required"
    title = "这笔订单分几笔付，请说明付哪一笔"


class AlreadyPaid(Conflict):
    code = "order_already_paid"
    title = "订单已经支付过了"


class OrderExpired(Gone):
    code = "order_expired"
    title = "订单已超时，请重新下单"


class PaymentInProgress(Conflict):
    code = "payment_in_progress"
    title = "正在确认上一次支付，请稍后再试"


class NothingToRefund(Conflict):
    code = "nothing_to_refund"
    title = "这笔订单没有可退的金额"


class RefundTooMuch(Conflict):
    code = "refund_too_much"
    title = "退款金额超过了可退金额"


class RefundAmountInvalid(Invalid):
    code = "refund_amount_invalid"
    title = "退款金额要大于零"


class BillNotFound(NotFound):
    code = "bill_not_found"
    title = "没有找到这笔账单"


class AskedNotFound(NotFound):
    code = "refund_request_not_found"
    title = "没有这笔退款申请"


class AskedOver(Conflict):
    code = "refund_request_over"
    title = "这笔申请已经处理过了"


class AskedBefore(Conflict):
    code = "refund_request_exists"
    title = "这单已经有一笔退款在等第二个人同意"


class AskedByOneself(Conflict):
    code = "refund_request_own"
    title = "自己申请的要别人同意，或者到订单里直接退"


class ChatLimit(Conflict):
    code = "refund_chat_limit"
    title = "超过了今天在聊天里能同意的金额，到控制台退"


class TermsInvalid(Invalid):
    code = "settlement_terms_invalid"
    title = "抽成在 0 到 30% 之间，平台承担在 0 到 100% 之间"


class TermsInThePast(Invalid):
    code = "settlement_terms_in_the_past"
    title = "新的约定最早从今天起算，已经过去的日子不改"


class PayoutTooMuch(Conflict):
    """`left_fen`: what the store may still be paid."""

    code = "payout_too_much"
    title = "超过了这家店还没划的钱"


class PayoutUnlawful(Conflict):
    code = "payout_unlawful"
    title = "这笔钱收在几家商户共用的商户号里，不能转手划给门店（二清）"


class VoucherUsed(Conflict):
    code = "payout_voucher_used"
    title = "这个凭证号已经记过一笔"


class PayoutNotFound(NotFound):
    code = "payout_not_found"
    title = "没有这笔划款"


class PayoutTakenBack(Conflict):
    code = "payout_taken_back"
    title = "这笔划款已经冲回了"


class AskedTooMuch(Conflict):
    code = "refund_request_too_much"
    title = "超过了店长能同意的金额，要老板来同意"


class AskedChanged(Conflict):
    code = "refund_request_changed"
    title = "申请以后又退过一次，金额不一样了，先不同意，再申请一次"


class RefundBeyondLimit(Conflict):
    code = "refund_beyond_limit"
    title = "这个订单退的超过你能自己决定的金额了，请店主来办"


class RefundNotStuck(Conflict):
    code = "refund_not_stuck"
    title = "这笔退款现在不用管它"


class ReceiverInvalid(Invalid):
    code = "sharing_receiver_invalid"
    title = "接收方没填完整，或比例不在 0.01% 到 30% 之间"


class SharedTooMuch(Invalid):
    code = "sharing_too_much"
    title = "平台服务费和所有接收方加起来不能超过 30%"


class ReturnNotOwed(Conflict):
    code = "sharing_return_not_owed"
    title = "这份钱不用再收回：退款没有退成，或者后来的退款已经收回了"


class ReceiverKnown(Conflict):
    code = "sharing_receiver_exists"
    title = "这个账号已经是接收方了"


class SharingNotFound(NotFound):
    code = "sharing_not_found"
    title = "没有要再分的账"


class ReceiverNotFound(NotFound):
    code = "sharing_receiver_not_found"
    title = "没有这个接收方"


class RefundNotFound(NotFound):
    code = "refund_not_found"
    title = "没有这笔退款"
