"""Who asks: a merchant for itself, or a service provider for one that it looks after."""

from collections.abc import Mapping
from typing import Any

from sandbox.pay.door import Call
from sandbox.pay.errors import PayError
from sandbox.pay.schema import Rule, Text

DIRECT, PARTNER = "/v3/pay/transactions", "/v3/pay/partner/transactions"
_OURS: dict[str, Rule] = {"mchid": Text(32, required=True)}
_THEIRS: dict[str, Rule] = {
    "sp_mchid": Text(32, required=True),
    "sub_mchid": Text(32, required=True),
}


def rules(partner: bool) -> dict[str, Rule]:
    return dict(_THEIRS if partner else _OURS)


def check(call: Call, given: Mapping[str, Any], *, partner: bool) -> str:
    """The sub-merchant, "" for none. Raises PayError when somebody speaks for somebody else."""
    if given.get("sp_mchid" if partner else "mchid") != call.merchant.mchid:
        raise PayError(403, "NO_AUTH", "商户号与签名的商户号不一致", number=268447843)
    if not partner:
        return ""
    return check_sub(call, given.get("sub_mchid"))


def check_sub(call: Call, sub_mchid: Any) -> str:
    """`sub_mchid` where it may be left out: among those that this provider looks after."""
    if not sub_mchid:
        return ""
    if sub_mchid not in call.merchant.subs:
        raise PayError(403, "NO_AUTH", "服务商与特约商户没有绑定关系", number=268447843)
    return str(sub_mchid)
