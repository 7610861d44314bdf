"""Refunds: proposed to the fen, asked for by guarded updates, sent by a job under one number and
booked when the channel says so.

Always true: what was asked back of a payment, and of a line, is never more than it took; lines,
delivery fee and free amount of a refund add up to it; stored balance goes back into its lots.
"""

from payments.refunding.again import HOLDS_MONEY
from payments.refunding.outcomes import (
    fail,
    failed_before,
    give_way,
    note_waiting,
    record_result,
)
from payments.refunding.proposing import Proposal, propose
from payments.refunding.requesting import request, request_of
from payments.refunding.wanted import Wanted

__all__ = [
    "HOLDS_MONEY",
    "Proposal",
    "Wanted",
    "fail",
    "failed_before",
    "give_way",
    "note_waiting",
    "propose",
    "record_result",
    "request",
    "request_of",
]
