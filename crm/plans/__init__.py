"""Plans: what is paid for and at once there. Stored value, paid membership, passes."""

from crm.plans.fulfilling import (
    before_refund,
    fulfil,
    refund_failed,
    refundable_fen,
    stays_taken,
)
from crm.plans.offers import PlanNotFound, check_sold, get_plan, kinds_sold, list_plans
from crm.plans.terms import current_term, end_due, give_due, merchants_due

__all__ = [
    "PlanNotFound",
    "before_refund",
    "check_sold",
    "current_term",
    "end_due",
    "fulfil",
    "get_plan",
    "give_due",
    "kinds_sold",
    "list_plans",
    "merchants_due",
    "refund_failed",
    "refundable_fen",
    "stays_taken",
]
