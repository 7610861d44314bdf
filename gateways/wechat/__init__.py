"""WeChat: the official account, the mini-program and Pay v3, as typed clients.

One module per thing WeChat calls by a name: callbacks and their ciphers, access tokens, the API of
each kind of account, OAuth, Pay. What a code means is written once, in `errors`.
"""
