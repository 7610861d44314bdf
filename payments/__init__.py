"""Payments: how an order's money comes in and goes back; the only package that settles money.

Owns bills, payment attempts, refunds and the ledger. An attempt pays a bill; one attempt of a bill
is live at a time, and at most one ever succeeds: money that arrives after that, or too late for its
order, is booked apart and refunded by itself. What WeChat says is compared with what we asked for
before anything moves. Refunds never exceed what was paid, and the ledger only grows: every cause
posts once, and its entries sum to zero.

Lock order: bill, then attempt and refund, then the order and what lies below it.
"""
