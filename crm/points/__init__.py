"""Points: earned by paying, given, spent, lapsed; by lot, with a ledger that only grows.

Every movement is an entry of the ledger with its own cause; the member's `points` and
`points_pending` are moved in the same transaction by the same amounts. What a refund claws back is
taken from the order's own lot, then from the others, the next to lapse first; the rest is owed:
`points` goes below zero, and what comes in next pays it. So available lots add up to
max(points, 0).
"""

from crm.points.books import Line, ledger, list_unbalanced
from crm.points.earning import REFUND_WINDOW, claw_back, earn, move, points_for
from crm.points.falling_due import expire_due, merchants_to_expire, release_due, remind_due
from crm.points.giving import grant_many
from crm.points.holding import give_back, hold_for, spend_held
from crm.points.lots import Held, NotEnoughPoints, grant, hold, hold_living, take

__all__ = [
    "REFUND_WINDOW",
    "Held",
    "Line",
    "NotEnoughPoints",
    "claw_back",
    "earn",
    "expire_due",
    "give_back",
    "grant",
    "grant_many",
    "hold",
    "hold_for",
    "hold_living",
    "ledger",
    "list_unbalanced",
    "merchants_to_expire",
    "move",
    "points_for",
    "release_due",
    "remind_due",
    "spend_held",
    "take",
]
