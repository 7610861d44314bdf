"""People: who somebody is across WeChat accounts, and the sessions they are logged in with.

Owns persons, identities (appid, openid), merges and log-in sessions. Always true: one identity per
(appid, openid), one person per UnionID and per phone number, both held by unique keys, so parallel
first meetings end in one person. An absorbed person keeps its row and points at the one that
stayed, never at another absorbed one. Phone numbers are sealed and found by a keyed hash; a log-in
token is stored only as its hash.
"""
