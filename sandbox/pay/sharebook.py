"""Profit sharing: who may receive from whom, what was shared, what came back."""

from dataclasses import asdict, dataclass, field
from typing import Any

MOST_BP = 3_000


@dataclass(slots=True)
class Portion:
    """`result`: PENDING, SUCCESS or CLOSED."""

    type: str
    account: str
    amount: int
    description: str
    result: str = "PENDING"
    fail_reason: str = ""
    returned: int = 0


@dataclass(slots=True)
class Share:
    """`request` tells a repetition from another request; a release goes to the seller."""

    mchid: str
    out_order_no: str
    order_id: str
    transaction_id: str
    request: dict[str, Any]
    create_at: float
    releases: bool = False
    state: str = "PROCESSING"
    portions: list[Portion] = field(default_factory=list)


@dataclass(slots=True)
class Return:
    mchid: str
    out_return_no: str
    return_id: str
    out_order_no: str
    return_mchid: str
    amount: int
    create_at: float
    result: str = "PROCESSING"
    fail_reason: str = ""


class Sharings:
    """`refused`: accounts whose portions end CLOSED, and WeChat's word why."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}
        self.returns: dict[str, Return] = {}
        self.receivers: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.most_bp = MOST_BP

    def of_transaction(self, transaction_id: str) -> list[Share]:
        return [one for one in self.shares.values() if one.transaction_id == transaction_id]

    def clear(self) -> None:
        for store in (self.shares, self.returns, self.receivers, self.refused):
            store.clear()
        self.most_bp = MOST_BP

    def dump(self) -> dict[str, Any]:
        return {
            "shares": [asdict(one) for one in self.shares.values()],
            "returns": [asdict(one) for one in self.returns.values()],
            "receivers": dict(self.receivers),
            "refused": dict(self.refused),
        }

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["shares"]:
            share = Share(**{**row, "portions": [Portion(**each) for each in row["portions"]]})
            self.shares[f"{share.mchid}|{share.out_order_no}"] = share
        for row in data["returns"]:
            self.returns[f"{row['mchid']}|{row['out_return_no']}"] = Return(**row)
        self.receivers.update(data["receivers"])
        self.refused.update(data["refused"])
