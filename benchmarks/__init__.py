"""Benchmarks: each figure beside a yardstick measured in the same run, and its limit.

Absolute times mean little on a shared machine; the ratio is the result.
"""
