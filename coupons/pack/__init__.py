"""Coupons in WeChat's card pack (微信支付商品券): a mirror of what our own ledger says, no more.

The ledger is the truth. Nothing that stands in a card pack takes money off: a coupon is used with
us or not at all, and the card follows. What the two sides disagree about is asked, then put right
here or there (`steps`).
"""
