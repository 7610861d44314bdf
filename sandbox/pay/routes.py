"""Importing this module hangs every interface on the blueprint."""

from sandbox.pay import certificates, orders, refunds
from sandbox.pay.door import api

__all__ = ["api", "certificates", "orders", "refunds"]
