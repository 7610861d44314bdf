"""Faults on demand: what to do wrong, to which call, and how many times."""

import fnmatch
import threading
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

KINDS = (
    "delay",
    "late_answer",
    "duplicate",
    "drop_before",
    "drop_after",
    "wrong_signature",
    "error",
)


@dataclass(slots=True)
class Fault:
    """`api` is one name or pattern or several with commas: "pay.prepay", "api.*,pay.*"."""

    id: int
    api: str
    kind: str
    times: int | None = 1
    seconds: float = 8.0
    copies: int = 3
    errcode: int = -1
    status: int = 500
    code: str = "SYSTEM_ERROR"
    message: str = ""

    def matches(self, api: str) -> bool:
        return any(fnmatch.fnmatchcase(api, part.strip()) for part in self.api.split(","))


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._ids = count(1)

    def add(self, values: dict[str, Any]) -> Fault:
        """Raises ValueError with the reason when the request makes no sense."""
        unknown = set(values) - set(Fault.__dataclass_fields__)
        if unknown or "id" in values:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown | {'id'}))}")
        if values.get("kind") not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if not values.get("api"):
            raise ValueError("api is missing")
        fault = Fault(id=next(self._ids), **values)
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault_id: int | None = None) -> None:
        with self._lock:
            self._faults = [f for f in self._faults if fault_id is not None and f.id != fault_id]

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, api: str) -> dict[str, Fault]:
        """The faults for this call by kind, each used up by one."""
        if not self._faults:
            return {}
        taken: dict[str, Fault] = {}
        with self._lock:
            for fault in list(self._faults):
                if fault.kind in taken or not fault.matches(api):
                    continue
                taken[fault.kind] = fault
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
        return taken


def describe(fault: Fault) -> str:
    who = "、".join(_NAMES.get(part.strip(), part.strip()) for part in fault.api.split(","))
    what = {
        "delay": f"晚 {fault.seconds:g} 秒才到",
        "late_answer": f"马上做完，但回话晚 {fault.seconds:g} 秒才到",
        "duplicate": f"送 {fault.copies} 次",
        "drop_before": "断线，什么都没做",
        "drop_after": "做完了，但回话没传回",
        "wrong_signature": "签名是错的",
        "error": "不成功，返回错误",
    }[fault.kind]
    often = "一直这样，直到关掉" if fault.times is None else f"接下来 {fault.times} 次"
    return f"{who}会{what}（{often}）"


_NAMES = {
    "pay.notify": "支付通知",
    "official.push": "公众号消息",
    "mini.push": "小程序消息",
    "pay.prepay": "下单应答",
    "pay.refund": "退款应答",
    "pay.query": "查单应答",
    "pay.*": "微信支付",
    "api.*": "微信接口",
}
