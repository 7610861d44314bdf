"""What the sandbox knows of the merchants at Alipay and UnionPay, and its own keys there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from sandbox import channel_keys


@dataclass(frozen=True, kw_only=True)
class AlipayApp:
    """`certificate`: the application's own, in certificate mode."""

    app_id: str
    name: str
    public_key: rsa.RSAPublicKey
    certificate: x509.Certificate | None = None


@dataclass(frozen=True, kw_only=True)
class AcpMerchant:
    mer_id: str
    name: str
    certificate: x509.Certificate


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Both platforms with their merchants; keys only where there is a merchant."""

    alipay: Mapping[str, AlipayApp]
    acp: Mapping[str, AcpMerchant]
    alipay_key: rsa.RSAPrivateKey | None = None
    alipay_certificate: x509.Certificate | None = None
    alipay_roots: tuple[x509.Certificate, ...] = ()
    acp_key: rsa.RSAPrivateKey | None = None
    acp_certificate: str = ""


NONE = Channels(alipay={}, acp={})


def from_mapping(data: Mapping[str, Any], folder: Path, name: str) -> Channels:
    apps = {row["app_id"]: _app(row, name) for row in data.get("alipay", {}).get("accounts", [])}
    merchants = {
        row["mer_id"]: _merchant(row, name) for row in data.get("unionpay", {}).get("accounts", [])
    }
    own: dict[str, Any] = {}
    if apps:
        files = channel_keys.ensure_alipay(folder)
        own |= {
            "alipay_key": channel_keys.read_key(files.platform_key),
            "alipay_certificate": channel_keys.read_certificates(files.platform_certificate)[0],
            "alipay_roots": tuple(channel_keys.read_certificates(files.roots)),
        }
    if merchants:
        acp = channel_keys.ensure_acp(folder)
        leaf = channel_keys.read_certificates(acp.platform_certificate)[0]
        own |= {
            "acp_key": channel_keys.read_key(acp.platform_key),
            "acp_certificate": leaf.public_bytes(Encoding.PEM).decode(),
        }
    return Channels(alipay=apps, acp=merchants, **own)


def _app(row: Mapping[str, Any], name: str) -> AlipayApp:
    certificate = row.get("app_certificate_path")
    return AlipayApp(
        app_id=row["app_id"],
        name=name or row["app_id"],
        public_key=channel_keys.read_key(Path(row["private_key_path"])).public_key(),
        certificate=channel_keys.read_certificates(Path(certificate))[0] if certificate else None,
    )


_open_pfx = cache(pkcs12.load_pkcs12)  # its password is stretched on purpose


def _merchant(row: Mapping[str, Any], name: str) -> AcpMerchant:
    password = row["certificate_password"].encode()
    held = _open_pfx(Path(row["certificate_path"]).read_bytes(), password)
    if held.cert is None:
        raise ValueError("the PFX holds no certificate")
    return AcpMerchant(
        mer_id=row["mer_id"], name=name or row["mer_id"], certificate=held.cert.certificate
    )
