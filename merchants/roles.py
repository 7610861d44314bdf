"""What each role may do. One table; doors ask `may`, nobody compares roles."""

from merchants.models import Role

_CLERK = frozenset(
    {
        "orders.view",
        "orders.manage",
        "coupons.redeem",
        "payments.collect",
        "coupons.undo",
        "stock.manage",
    }
)
_MANAGER = _CLERK | {
    "orders.refund",
    "coupons.view",
    "coupons.issue",
    "coupons.manage",
    "catalogue.manage",
    "members.view",
    "members.manage",
    "segments.manage",
    "campaigns.view",
    "campaigns.manage",
    "reports.view",
    "stores.view",
    "official.manage",
    "chats.reply",
    "payments.view",
    "shipping.manage",
}
_OWNER = _MANAGER | {
    "campaigns.launch",
    "members.export",
    "members.import",
    "stores.manage",
    "staff.manage",
    "settings.manage",
    "money.reconcile",
    "audit.view",
    "money.settle",
    "payments.raw",
    "payments.export",
}

PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.clerk: _CLERK,
    Role.manager: frozenset(_MANAGER),
    Role.owner: frozenset(_OWNER),
}


def may(role: Role | str, permission: str) -> bool:
    """Whether a role has a permission; a permission nobody has is a programming error."""
    if permission not in PERMISSIONS[Role.owner]:
        raise KeyError(permission)
    return permission in PERMISSIONS[Role(role)]
