"""Messaging: talking with people through WeChat, and what may be said to whom right now.

Owns followers, open windows, subscribe grants, QR scenes, the chat log, reply rules and
outbound messages. Always true: one follower per (appid, openid); a window or grant is spent by
a guarded update, never below zero; an outbound message has a unique key and is sent at most once
(prepared → sending → sent | failed | unknown, and `unknown` is asked again only where WeChat
de-duplicates); no coupon and no advert leaves through a service template.
"""
