"""Tiers: rows of each merchant, by what a member spent or grew; every move is written down."""

from crm.tiers.moving import after_merge, after_purchase, after_refund
from crm.tiers.programme import (
    DEFAULTS,
    Programme,
    Step,
    load,
    name_of,
    names,
    of_revision,
    tiers_of,
)

__all__ = [
    "DEFAULTS",
    "Programme",
    "Step",
    "after_merge",
    "after_purchase",
    "after_refund",
    "load",
    "name_of",
    "names",
    "of_revision",
    "tiers_of",
]
