"""CRM: the members' memory of one merchant, and what is done with it.

Owns members with their consent, tags, event timeline, running totals, purchases, tiers, points,
stored value and plans, the segments drawn over them, and the campaigns sent to a segment. It is
told: orders, the official account and the routes write here, so segments query crm's own tables.
Always true: a member's totals equal the sum of its purchases, its points equal the sum of its
ledger, one order is one purchase, and nobody gets the same campaign's coupon or message twice.
"""
