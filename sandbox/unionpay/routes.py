"""Importing this module hangs every interface and page on the blueprint."""

from sandbox.unionpay import files, moves, pages
from sandbox.unionpay.door import api

__all__ = ["api", "files", "moves", "pages"]
