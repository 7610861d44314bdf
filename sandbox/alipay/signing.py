"""Alipay's signatures from its own side: checked on requests, made on answers and notices."""

import hashlib

from cryptography import x509

from sandbox.alipay.errors import AlipayError
from sandbox.channel_settings import AlipayApp, Channels
from sandbox.pay.signing import sign, verify
from sandbox.state import World


def check(app: AlipayApp, channels: Channels, params: dict[str, str]) -> None:
    """Raises AlipayError for a request that the application did not sign."""
    if params.get("sign_type") != "RSA2" or params.get("charset", "").lower() not in (
        "utf-8",
        "gbk",
    ):
        raise AlipayError("40002", "isv.invalid-signature", "签名类型或编码不支持")
    if app.certificate is not None:
        roots = "_".join(
            serial_of(root)
            for root in channels.alipay_roots
            if "RSA" in str(getattr(root.signature_algorithm_oid, "_name", ""))
        )
        given = (params.get("app_cert_sn"), params.get("alipay_root_cert_sn"))
        if given != (serial_of(app.certificate), roots):
            raise AlipayError("40002", "isv.invalid-cert-sn", "证书序列号不对")
    text = joined({k: v for k, v in params.items() if v and k != "sign"})
    if not verify(app.public_key, text.encode(), params.get("sign", "")):
        raise AlipayError(
            "40002", "isv.invalid-signature", "验签出错，建议检查签名字符串或签名私钥"
        )


def joined(params: dict[str, str]) -> str:
    return "&".join(f"{name}={params[name]}" for name in sorted(params))


def signed_form(world: World, account: str, fields: dict[str, str], forged: bool) -> dict[str, str]:
    """A notice or a return; `sign_type` goes along without being signed."""
    channels = world.settings.channels
    told = {name: value for name, value in fields.items() if value}
    if channels.alipay[account].certificate is not None and channels.alipay_certificate:
        told["alipay_cert_sn"] = serial_of(channels.alipay_certificate)
    signature = signed(world, ("" if forged else joined(told)).encode())
    return {**told, "sign_type": "RSA2", "sign": signature}


def signed(world: World, text: bytes) -> str:
    key = world.settings.channels.alipay_key
    assert key is not None
    return sign(key, text)


def serial_of(certificate: x509.Certificate) -> str:
    """MD5 of the issuer, most special part first, followed by the serial number."""
    parts = [f"{a.rfc4514_attribute_name}={a.value!s}" for a in reversed(list(certificate.issuer))]
    text = ",".join(str(part) for part in parts) + str(certificate.serial_number)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
