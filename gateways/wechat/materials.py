"""Pictures, voices and films of an account at WeChat: temporary ones for three days, lasting ones.

What is sent in a message is named by the id that WeChat gave it when it was uploaded.
"""

import secrets
from dataclasses import dataclass

from gateways.wechat.api import Api, encode
from gateways.wechat.mini import text

UPLOAD_SECONDS = 30.0


@dataclass(frozen=True)
class Uploaded:
    """`url` is known of lasting pictures only."""

    media_id: str
    url: str = ""


class Materials:
    def __init__(self, api: Api) -> None:
        self._api = api

    def keep_for_days(self, kind: str, raw: bytes, *, name: str, mime: str) -> Uploaded:
        """A temporary one: `kind` is image, voice, video or thumb; gone after three days."""
        path = "/cgi-bin/media/upload"
        given = self._upload(path, kind, raw, name, mime, {})
        return Uploaded(text(path, given, "thumb_media_id" if kind == "thumb" else "media_id"))

    def keep(self, kind: str, raw: bytes, *, name: str, mime: str, title: str = "") -> Uploaded:
        """A lasting one; a film has a title besides."""
        path = "/cgi-bin/material/add_material"
        more = {}
        if kind == "video":
            more = {"description": encode({"title": title or name, "introduction": ""}).decode()}
        given = self._upload(path, kind, raw, name, mime, more)
        return Uploaded(text(path, given, "media_id"), str(given.get("url", "")))

    def read(self, media_id: str) -> bytes:
        """A lasting picture or voice; 40007 once it is dropped."""
        return self._api.posted_file("/cgi-bin/material/get_material", {"media_id": media_id})

    def drop(self, media_id: str) -> None:
        """A lasting one is gone; messages that name it will be refused."""
        self._api.post("/cgi-bin/material/del_material", {"media_id": media_id})

    def _upload(
        self, path: str, kind: str, raw: bytes, name: str, mime: str, more: dict[str, str]
    ) -> dict[str, object]:
        body, content_type = multipart(raw, name=name, mime=mime, more=more)
        return self._api.upload(path, body, content_type, read_seconds=UPLOAD_SECONDS, type=kind)


def multipart(raw: bytes, *, name: str, mime: str, more: dict[str, str]) -> tuple[bytes, str]:
    """A form with one file under `media`. The file's name is ours: WeChat reads only its ending."""
    boundary = f"linli-{secrets.token_hex(16)}"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="{name}"\r\n'
    parts = [f"{head}Content-Type: {mime}\r\n\r\n".encode(), raw, b"\r\n"]
    for field, value in more.items():
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        parts.append(part.encode())
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
