"""Coupons and promotions: what takes money off, for whom, where and until when.

Owns coupon templates, coupons, their ledger, and 满减 promotions. A coupon's state moves only along
NEXT by compare-and-set, so it is redeemed at most once however many try; limits per person are held
by unique keys and totals by a guarded counter; the ledger only grows, one row per cause.
"""
