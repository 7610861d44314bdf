"""Draw every state map of the code as Mermaid into docs/states.md.

`python -m scripts.draw_states`; a test fails when the file is behind the code.
"""

import importlib
from enum import StrEnum
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "docs" / "states.md"

MAPS = [
    ("订单：履约 Order, fulfilment", "orders.models", "NEXT"),
    ("订单：付款 Order, payment", "orders.models", "NEXT_PAYMENT"),
    ("优惠券 Coupon", "coupons.models", "NEXT"),
    ("转送的券 Gift", "coupons.models", "NEXT_GIFT"),
    ("促销 Promotion", "coupons.models", "NEXT_PROMOTION"),
    ("一批券 Batch", "crm.models.batches", "NEXT_BATCH"),
    ("导入会员 Import", "crm.models.imports", "NEXT_IMPORT"),
    ("库存占用 Stock hold", "catalogue.models", "NEXT"),
    ("账单 Bill", "payments.models", "NEXT_BILL"),
    ("付款尝试 Payment attempt", "payments.models", "NEXT_ATTEMPT"),
    ("退款 Refund", "payments.models", "NEXT_REFUND"),
    ("对账的一天 Statement day", "payments.models", "NEXT_STATEMENT"),
    ("对账差异 Discrepancy", "payments.models", "NEXT_DISCREPANCY"),
    ("日结单 Settlement day", "payments.models", "NEXT_DAY"),
    ("分账接收方 Sharing receiver", "payments.models", "NEXT_RECEIVER"),
    ("一笔分账 Sharing", "payments.models", "NEXT_SHARING"),
    ("分账的一份 Sharing part", "payments.models", "NEXT_PART"),
    ("分账回退 Sharing return", "payments.models", "NEXT_RETURN"),
    ("营销活动 Campaign", "crm.models", "NEXT"),
    ("活动审核 Campaign approval", "crm.models", "NEXT_APPROVAL"),
    ("自动化旅程 Journey", "crm.models.journeys", "NEXT"),
    ("积分批次 Point lot", "crm.models.points", "NEXT"),
    ("付费会员 Paid term", "crm.models.plans", "NEXT_TERM"),
    ("邀请 Referral", "crm.models.play", "NEXT_REFERRAL"),
    ("发出的消息 Outbound message", "messaging.models", "NEXT"),
    ("公众号菜单 Menu version", "messaging.models", "NEXT_MENU"),
    ("申请的退款 Asked refund", "payments.asked_models", "NEXT_ASKED"),
    ("素材 Material", "messaging.models", "NEXT_MATERIAL"),
    ("群发 Broadcast", "messaging.broadcasts.models", "NEXT"),
    ("群发的一次请求 Mass send", "messaging.broadcasts.models", "NEXT_MASS"),
    ("发货信息 Shipping information", "payments.shipping.models", "NEXT_SHIPPING"),
    ("服务卡片 Service card", "messaging.cards.models", "NEXT_CARD"),
]

HEAD = """# States

Drawn from the maps beside the enums by `python -m scripts.draw_states`. Every move is a
compare-and-set along one of these arrows.
"""


def draw(title: str, moves: dict[StrEnum, set[StrEnum]]) -> str:
    """The map's first key is where the thing begins."""
    lines = [f"    [*] --> {next(iter(moves)).value}"]
    for state, targets in moves.items():
        lines += [f"    {state.value} --> {target.value}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {state.value} --> [*]")
    body = "\n".join(lines)
    return f"\n## {title}\n\n```mermaid\nstateDiagram-v2\n{body}\n```\n"


def page() -> str:
    parts = [HEAD]
    for title, module, name in MAPS:
        parts.append(draw(title, getattr(importlib.import_module(module), name)))
    return "".join(parts)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(page(), encoding="utf-8")
