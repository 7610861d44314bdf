"""The sandbox: plays WeChat and WeChat Pay in a process of its own, with real cryptography.

It owns nothing of the shop. It reads the accounts from the same TOML file as the backend, is
reached only by base URLs, and shares no code with `core` or `gateways`, so that a misunderstanding
of the protocol cannot hide on both sides. Its clock can be advanced; see `sandbox.clock`.
"""
