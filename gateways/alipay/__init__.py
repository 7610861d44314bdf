"""Alipay's open gateway (RSA2): one client for our eight methods, and what its notices say."""
