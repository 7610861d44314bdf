"""A refund that the bank sent back goes to another account that the merchant names."""

from sandbox.pay import parties, schema
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.refunds import decide_later, describe
from sandbox.pay.schema import Rule, Text
from sandbox.pay.unsealing import unseal

ABNORMAL: dict[str, Rule] = {
    "sub_mchid": Text(32),
    "out_refund_no": Text(64, required=True),
    "type": Text(32, required=True),
    "bank_type": Text(16),
    "bank_account": Text(1024),
    "real_name": Text(1024),
}
_PATH = "/v3/refund/domestic/refunds/<no>/apply-abnormal-refund"


@pay_api("abnormal_refund", _PATH, method="POST", title="处理异常退款")
def apply(call: Call) -> Body:
    schema.check(call.body, ABNORMAL)
    parties.check_sub(call, call.body.get("sub_mchid"))
    body = call.body
    refund = call.world.ledger.find_refund(call.merchant.mchid, body["out_refund_no"])
    if refund is None or refund.refund_id != call.path["no"]:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    if body["type"] not in ("USER_BANK_CARD", "MERCHANT_BANK_CARD"):
        raise bad_parameter("/type", "取值不正确", body["type"])
    if body["type"] == "USER_BANK_CARD":
        for name in ("bank_type", "bank_account", "real_name"):
            if not body.get(name):
                raise bad_parameter(f"/{name}", "退到用户银行卡时必填")
        number = unseal(call.world.settings.platform, body["bank_account"])
        if not (number.isdigit() and 12 <= len(number) <= 20):
            raise bad_parameter("/bank_account", "银行卡号不正确")
        unseal(call.world.settings.platform, body["real_name"])
    if refund.status != "ABNORMAL":
        raise PayError(400, "INVALID_REQUEST", f"退款单状态为 {refund.status}，不能发起异常退款")
    refund.status = "PROCESSING"
    decide_later(call.world, refund)
    call.title = "一笔退不进去的钱改退到另一个账户"
    call.detail = f"退款单号 {refund.out_refund_no}"
    return describe(refund)
