"""A WeChat of a few lines for the clients' own tests: it answers what a test tells it to.

The real twin is the sandbox. This one exists to answer wrongly on purpose, and its Pay side is
written with `cryptography` alone, so that it shares no line with the client it checks.
"""

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class Call:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, dict[str, str], bytes]


@dataclass
class FakeWechat:
    """`answer` gets each call and returns status, headers and body; None drops the connection."""

    answer: Callable[[Call], Reply | None]
    calls: list[Call] = field(default_factory=list)

    def __enter__(self) -> "FakeWechat":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                call = Call(
                    self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
                )
                fake.calls.append(call)
                reply = fake.answer(call)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = serve  # noqa: N815 - the library's names

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply_json(value: Any, status: int = 200) -> Reply:
    """WeChat's API calls its JSON text/plain at times, so the fake always does."""
    return status, {"Content-Type": "text/plain"}, json.dumps(value).encode()


@dataclass
class PayPlatform:
    """The other side's keys: signs answers and notices as WeChat Pay does."""

    serial: str
    key: rsa.RSAPrivateKey
    api_v3_key: str

    def headers(self, body: bytes, *, at: float | None = None, **changed: str) -> dict[str, str]:
        timestamp, nonce = (
            str(int(time.time() if at is None else at)),
            "c5ac7061fccab6bf3e254dcf98995b8c",
        )
        text = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        return {
            "Content-Type": "application/json",
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": self.serial,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
            "Request-ID": "08F78BB5AF0610D302",
        } | {name.replace("_", "-"): value for name, value in changed.items()}

    def reply(self, value: Any = None, status: int = 200) -> Reply:
        body = b"" if value is None else json.dumps(value).encode()
        return status, self.headers(body), body

    def seal(self, content: bytes, associated_data: str) -> dict[str, str]:
        nonce = "fdasflkja484"
        sealed = AESGCM(self.api_v3_key.encode()).encrypt(
            nonce.encode(), content, associated_data.encode()
        )
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": associated_data,
            "nonce": nonce,
        }

    def notice(
        self, resource: Any, event_type: str = "TRANSACTION.SUCCESS", notice_id: str = "EV-1"
    ) -> bytes:
        kind = "refund" if event_type.startswith("REFUND") else "transaction"
        sealed = self.seal(json.dumps(resource).encode(), kind) | {"original_type": kind}
        return json.dumps(
            {
                "id": notice_id,
                "create_time": "2026-11-22T15:00:01+08:00",
                "resource_type": "encrypt-resource",
                "event_type": event_type,
                "summary": "支付成功",
                "resource": sealed,
            }
        ).encode()
