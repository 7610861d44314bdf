"""Importing this module hangs every interface on the blueprint."""

from sandbox.pay import (
    abnormal,
    bills,
    cards,
    certificates,
    codepay,
    echo,
    opening,
    orders,
    refunds,
    sharing,
    v2_orders,
)
from sandbox.pay.door import api

__all__ = [
    "abnormal",
    "api",
    "bills",
    "cards",
    "certificates",
    "codepay",
    "echo",
    "opening",
    "orders",
    "refunds",
    "sharing",
    "v2_orders",
]
