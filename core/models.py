"""The core's tables, gathered so that the schema is whole whichever verbs were imported."""

from core.audit import AuditEntry
from core.idempotency import IdempotencyRecord
from core.inbox import InboundEvent
from core.lockouts import Lockout
from core.outbox import OutboxJob
from core.security_events import SecurityEvent

__all__ = [
    "AuditEntry",
    "IdempotencyRecord",
    "InboundEvent",
    "Lockout",
    "OutboxJob",
    "SecurityEvent",
]
