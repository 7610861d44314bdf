"""Reading WeChat's callbacks and writing the replies, in plain, compatible and safe mode."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from gateways.wechat import replies, sealing, wire
from gateways.wechat.errors import BadSignature, MalformedMessage, StaleMessage, WrongMode
from gateways.wechat.messages import Message, build_message
from gateways.wechat.replies import Reply

Query = Mapping[str, str]
Mode = Literal["plain", "compatible", "safe"]

FRESH = timedelta(minutes=10)
"""How far a message's time may be from ours. WeChat signs every repetition anew, within seconds."""


class Callback:
    """One account's callback. Reading *is* verifying: there is no way to a message around it.

    A sealed message is verified over its cipher text and its receiver is checked. The previous key
    is accepted too, because WeChat goes on using it for a while after a change, and what came under
    a key is answered under it, as WeChat asks. Plain mode signs only time and nonce, as WeChat
    does; repetitions are told apart by `Message.msg_id`.

    `mode` is the account's: `safe` takes sealed messages, `plain` unsealed ones, `compatible` both,
    while an account changes over.
    """

    def __init__(
        self,
        appid: str,
        token: str,
        encoding_aes_key: str,
        previous_aes_key: str = "",
        *,
        mode: Mode = "safe",
    ) -> None:
        self.appid = appid
        self.mode = mode
        self._token = token
        given = [key for key in (encoding_aes_key, previous_aes_key) if key]
        self._keys = [sealing.aes_key(key) for key in given]

    def echo(self, query: Query) -> str:
        """Answer to WeChat's check of the address. Raises BadSignature, MalformedMessage."""
        self._verify_plain(query)
        if not query.get("echostr"):
            raise MalformedMessage("缺少 echostr")
        return query["echostr"]

    def read(self, query: Query, raw: bytes, now: datetime) -> Message:
        """Verify, open and name. Raises BadSignature (403) or MalformedMessage (400)."""
        sealed = query.get("encrypt_type") == "aes" or bool(query.get("msg_signature"))
        if self.mode == ("plain" if sealed else "safe"):
            raise WrongMode
        _check_time(query, now)
        if sealed:
            return self._read_sealed(query, raw)
        self._verify_plain(query)
        return self._parse(raw, sealed=False)

    def reply(self, message: Message, reply: Reply | None, *, now: datetime) -> tuple[str, str]:
        """Body and content type; sealed exactly when the message was. None: accepted silently."""
        if reply is None:
            return "success", "text/plain; charset=utf-8"
        seconds = int(now.timestamp())
        body = replies.render(
            reply, to_user=message.openid, from_user=message.to_user, seconds=seconds
        )
        if not message.sealed:
            return body, "application/xml; charset=utf-8"
        sealed = self.seal(body, timestamp=str(seconds), key_index=message.key_index)
        if message.json:
            return json.dumps(sealed), "application/json; charset=utf-8"
        return (
            replies.envelope(
                sealed["Encrypt"], sealed["MsgSignature"], sealed["TimeStamp"], sealed["Nonce"]
            ),
            "application/xml; charset=utf-8",
        )

    def seal(
        self,
        body: str,
        *,
        timestamp: str,
        nonce: str | None = None,
        random: bytes | None = None,
        key_index: int = 0,
    ) -> dict[str, str]:
        """The four fields of a sealed answer; `nonce` and `random` are for test vectors only."""
        chosen = nonce if nonce is not None else str(secrets.randbelow(10**10))
        encrypted = sealing.seal(self._keys[key_index], body.encode(), self.appid, random=random)
        return {
            "Encrypt": encrypted,
            "MsgSignature": sealing.signature(self._token, timestamp, chosen, encrypted),
            "TimeStamp": timestamp,
            "Nonce": chosen,
        }

    def _verify_plain(self, query: Query) -> None:
        self._verify(query, query.get("signature", ""))

    def _verify(self, query: Query, given: str, *more: str) -> None:
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        # An account without a token takes no callbacks: an empty secret would sign anything.
        known = bool(self._token and given and timestamp and nonce)
        if not sealing.is_signature(given, self._token, timestamp, nonce, *more) or not known:
            raise BadSignature

    def _read_sealed(self, query: Query, raw: bytes) -> Message:
        # What is signed stands inside: whoever has no signature of the right shape ends before.
        if len(query.get("msg_signature", "")) != sealing.SIGNATURE_LENGTH:
            raise BadSignature
        outer = wire.read_json(raw) if wire.is_json(raw) else wire.read_xml(raw)
        encrypted = outer.get("Encrypt")
        if not isinstance(encrypted, str) or not encrypted:
            raise MalformedMessage("缺少 Encrypt")
        self._verify(query, query.get("msg_signature", ""), encrypted)
        body, key_index = self._unseal(encrypted.strip())
        return self._parse(body, sealed=True, key_index=key_index)

    def _unseal(self, encrypted: str) -> tuple[bytes, int]:
        for index, key in enumerate(self._keys):
            try:
                return sealing.unseal(key, encrypted, self.appid), index
            except sealing.Unreadable:
                continue
            except sealing.WrongReceiver as error:
                raise BadSignature("消息不是发给这个账号的") from error
        raise MalformedMessage("消息无法解密")

    def _parse(self, raw: bytes, *, sealed: bool, key_index: int = 0) -> Message:
        as_json = wire.is_json(raw)
        fields: dict[str, Any] = wire.read_json(raw) if as_json else wire.read_xml(raw)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise MalformedMessage("消息不是 UTF-8") from error
        return build_message(
            self.appid, fields, sealed=sealed, raw=text, json=as_json, key_index=key_index
        )


def _check_time(query: Query, now: datetime) -> None:
    """The cheapest question, so the first one. Raises BadSignature without a time, StaleMessage."""
    given = query.get("timestamp", "")
    if not given:
        raise BadSignature
    # ASCII only: int() also reads the digits of other scripts.
    seconds = int(given) if given.isascii() and given.isdigit() and len(given) <= 11 else 0
    if abs(now.timestamp() - seconds) > FRESH.total_seconds():
        raise StaleMessage
