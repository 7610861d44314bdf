"""Broadcasts (群发): one message to many followers, of which each takes four in a calendar month.

Always true: a broadcast is a row before anything is asked, cut into mass sends of 2 to 10,000
openids, each with a client id that WeChat recognises for a day, so that an outcome nobody knows is
asked for again and never sent twice. Everybody who is addressed has spent one of their four before
the call, and gets it back when WeChat refuses the whole. WeChat tells totals, never persons.
"""

from messaging.broadcasts.drafting import change, create, discard
from messaging.broadcasts.launching import launch, stop

__all__ = ["change", "create", "discard", "launch", "stop"]
