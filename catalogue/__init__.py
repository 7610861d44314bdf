"""Catalogue: what a merchant sells, at which price and how much of it each store has.

Owns categories, products, SKUs, option groups and options, and per store the SKU's state, price
and stock. Stock is taken only by a guarded UPDATE, each hold is given back at most once, and every
change of a counted stock leaves a ledger row, so that `available` is the sum of its entries.
"""
