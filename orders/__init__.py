"""Orders: what a member asked for, at prices fixed when placed.

Owns orders, their lines, discounts and history, and the pickup numbers of each store and day. An
order's amounts never change after placing; its states move only along NEXT and NEXT_PAYMENT, by
compare-and-set, and every move leaves a history row. Stock is held and the coupon locked while it
is unpaid, sold and redeemed when it is paid, given back when it is cancelled.
"""
