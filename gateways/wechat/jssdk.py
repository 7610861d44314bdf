"""What a web page needs to use WeChat's JavaScript: a signature over its own address."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PageSignature:
    """The arguments of `wx.config`, but for what the page wants to use."""

    appid: str
    timestamp: int
    nonce: str
    signature: str


def sign(
    appid: str, ticket: str, url: str, *, now: datetime, nonce: str | None = None
) -> PageSignature:
    """Sign an address, without what stands behind `#`; `nonce` is for test vectors only."""
    chosen = nonce if nonce is not None else secrets.token_hex(8)
    seconds = int(now.timestamp())
    plain = url.split("#", 1)[0]
    joined = f"jsapi_ticket={ticket}&noncestr={chosen}&timestamp={seconds}&url={plain}"
    digest = hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()
    return PageSignature(appid, seconds, chosen, digest)
