"""Journeys: what happens to a member after something happened, step by step, by itself.

Owns journeys, their versions, the runs of members along them and what each run did. A published
version never changes. A run stands at one node; a slice of due runs is moved in one transaction
with everything that the move does, so a worker that dies leaves nothing half done, and a message
or a coupon has a key of the run and the node, so it is given once.
"""
