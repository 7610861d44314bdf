"""Importing this module hangs every interface on the blueprint."""

from sandbox.pay import bills, cards, certificates, orders, refunds, sharing
from sandbox.pay.door import api

__all__ = ["api", "bills", "cards", "certificates", "orders", "refunds", "sharing"]
