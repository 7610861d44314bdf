"""What happened to a refund: each number that it had, and the jobs that asked."""

from collections.abc import Sequence
from datetime import datetime

from console import words
from core.outbox import JobState, OutboxJob
from payments.models import Refund, RefundState
from payments.refunding import stuck

JOBS = {
    "payments.refund": "向渠道提交",
    "payments.query_refund": "向渠道查询",
    "payments.tell_stuck": "通知店里",
}
JOB_STATES = {
    JobState.waiting: ("等着", ""),
    JobState.pushed: ("在做", "note"),
    JobState.done: ("做完了", "ok"),
    JobState.dead: ("没做成", "bad"),
}


def told(
    mine: Sequence[Refund], jobs: Sequence[OutboxJob], names: dict[str, str], now: datetime
) -> list[dict[str, str]]:
    """Newest first: each number with what became of it, and the jobs that asked."""
    lines: list[tuple[datetime, str, str, str]] = []
    for number, refund in enumerate(mine, 1):
        what = "提交" if number == 1 else f"换第 {number} 个号再退"
        no = f"单号 {refund.out_refund_no}"
        lines.append((refund.requested_at, f"{names.get(refund.actor, '系统')} {what}", no, ""))
        if refund.settled_at is None:
            continue
        if refund.finished_by:
            who = names.get(refund.finished_by, "员工")
            lines.append((refund.settled_at, f"{who} 记下已用别的办法退了", refund.note, "bad"))
        elif refund.state is RefundState.succeeded:
            lines.append((refund.settled_at, "到账", refund.refund_id or "退回储值余额", "on"))
        else:
            unknown = "" if refund.error in stuck.WORDS else f"渠道的代码 {refund.error}"
            lines.append((refund.settled_at, stuck.why(refund, now), unknown, "bad"))
    for job in jobs:
        words_, kind = JOB_STATES.get(job.state, ("", ""))
        tries = f"试了 {job.attempt} 次" if job.attempt > 1 else ""
        what = f"{JOBS[job.name]}：{words_}"
        lines.append((job.created_at, what, tries, "bad" if kind == "bad" else ""))
    lines.sort(key=lambda each: each[0])  # of one moment, as they follow one another
    return [
        {"time": words.when(at, now), "text": text, "detail": detail, "kind": kind}
        for at, text, detail, kind in reversed(lines)
    ]
