"""Alipay's gateway, its cashier and its bills."""
