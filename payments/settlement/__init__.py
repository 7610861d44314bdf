"""Settlement: a statement for every merchant's day, what stores are owed, and what they were paid.

A statement is a sum of ledger entries and nothing else. It stays open until the channels' bills
have had their time; from then on whatever belongs to the day is booked under a later one. Money of
one owner never reaches another through here.
"""
