"""Batches: coupons given to many at once, printed as codes, or taken over from another system.

A list is read and shown before anything happens; then it is rows, and a job does them slice by
slice, the cursor in the same transaction. A worker that dies leaves a batch that another goes on
with, and nobody gets a second coupon. What is unused of a batch can be taken back as a whole.
"""
