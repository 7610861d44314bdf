"""Figures for Prometheus: counters of this process, gauges of what the tables say."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)

REQUESTS = Histogram(
    "linli_request_seconds",
    "How long requests took, by endpoint and status",
    ["endpoint", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=REGISTRY,
)
SECURITY_EVENTS = Counter(
    "linli_security_events",
    "Forged callbacks, guessed codes, lockouts",
    ["kind"],
    registry=REGISTRY,
)
OUTBOX = Gauge("linli_outbox_jobs", "Outbox rows by state", ["state"], registry=REGISTRY)
OUTBOX_LAG = Gauge(
    "linli_outbox_lag_seconds", "Age of the oldest due job that nobody pushed", registry=REGISTRY
)
