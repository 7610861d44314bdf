"""Importing this module hangs every method and page on the blueprint."""

from sandbox.alipay import bills, pages, refunds, trades
from sandbox.alipay.door import api

__all__ = ["api", "bills", "pages", "refunds", "trades"]
