"""What states and kinds of money are called: one word each, on whichever page."""

from payments.models import BillKind, BillState, Channel, RefundState

CHANNELS = {
    Channel.wechat: "微信支付",
    Channel.alipay: "支付宝",
    Channel.unionpay: "银联",
    Channel.balance: "储值余额",
    Channel.none: "0 元",
}
BILLS = {
    BillKind.whole: "整单",
    BillKind.deposit: "定金",
    BillKind.rest: "尾款",
    BillKind.share: "AA 一份",
}
BILL_STATES = {
    BillState.open: ("待付", "warn"),
    BillState.paid: ("已付", "ok"),
    BillState.void: ("作废", ""),
}
REFUNDS = {
    RefundState.requested: ("已提交", "warn"),
    RefundState.processing: ("退款中", "warn"),
    RefundState.succeeded: ("已到账", "ok"),
    RefundState.failed: ("没退成", "bad"),
}
