"""Core: what every part needs and no business knows.

Owns configuration, the database session, the outbox and the inbox, errors, money, the clock,
encryption at rest, audit, limits. Imports nothing of ours; everything may import it.
"""
