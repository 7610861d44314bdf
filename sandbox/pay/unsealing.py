"""Names and numbers for one side alone: opened with the key that they were sealed for."""

import base64
import binascii

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from flask import request

from sandbox.pay.errors import PayError
from sandbox.settings import Platform

_PADDING = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303


def unseal(platform: Platform, sealed: str) -> str:
    """The request's `Wechatpay-Serial` says which of the two keys; without one nobody can tell."""
    serial = request.headers.get("Wechatpay-Serial", "")
    keys = {each.serial: each.key for each in platform.certificates}
    keys[platform.public_key_id] = platform.public_key_private
    if serial not in keys:
        raise PayError(400, "PARAM_ERROR", "有敏感字段的请求要带 Wechatpay-Serial")
    try:
        opened = keys[serial].decrypt(base64.b64decode(sealed, validate=True), _PADDING)
        return opened.decode()
    except (binascii.Error, ValueError):
        raise PayError(400, "PARAM_ERROR", "敏感字段解密失败") from None


def seal(key: RSAPublicKey, text: str) -> str:
    """For the merchant, under the key of its certificate."""
    return base64.b64encode(key.encrypt(text.encode(), _PADDING)).decode()
