"""Merchants: who sells, where, when, and who works there.

Owns merchants, stores with their hours and tables, staff with roles and stores, and one-time
invites. Always true: a code (merchant, store of a merchant, table, user name) is unique; a person
is staff of a merchant at most once; an invite is accepted at most once; an owner works in every
store, everybody else in the stores they were given.
"""
