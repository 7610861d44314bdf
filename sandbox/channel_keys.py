"""Keys and certificates of the other two channels and of the demo merchant there."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from sandbox.keys import load_private_key

APP_ID, SELLER_ID = "2021004167890123", "2088641234567890"
MER_ID, PFX_PASSWORD = "777290058110048", "000000"
SIGNER = "中国银联股份有限公司"


@dataclass(frozen=True)
class AlipayKeys:
    """`app_*` is the merchant's, the rest Alipay's; `roots` holds two, of which one is not RSA."""

    app_key: Path
    app_certificate: Path
    platform_key: Path
    platform_certificate: Path
    public_key: Path
    roots: Path


@dataclass(frozen=True)
class AcpKeys:
    root: Path
    middle: Path
    platform_key: Path
    platform_certificate: Path
    merchant_pfx: Path


def ensure_alipay(folder: Path) -> AlipayKeys:
    """Create what is missing, keep what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = AlipayKeys(
        folder / "alipay_app_key.pem",
        folder / "alipay_app_cert.crt",
        folder / "alipay_key.pem",
        folder / "alipay_cert.crt",
        folder / "alipay_public_key.pem",
        folder / "alipay_roots.crt",
    )
    if not keys.roots.exists():
        root_key, app_key, platform_key = _rsa(), _rsa(), _rsa()
        root = certificate("Ant Financial sandbox root R1", root_key)
        # The real file brings SM2 roots too, which an RSA application leaves out.
        other = certificate(
            "Ant Financial sandbox root E1", ec.generate_private_key(ec.SECP256R1())
        )
        app = certificate(APP_ID, app_key, issuer=(root, root_key))
        platform = certificate(
            "支付宝(中国)网络技术有限公司", platform_key, issuer=(root, root_key)
        )
        public = platform_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write_key(keys.app_key, app_key)
        _write_key(keys.platform_key, platform_key)
        keys.app_certificate.write_bytes(_pem(app))
        keys.platform_certificate.write_bytes(_pem(platform))
        keys.public_key.write_bytes(public)
        keys.roots.write_bytes(_pem(root) + b"\n" + _pem(other))
    return keys


def ensure_acp(folder: Path) -> AcpKeys:
    """Create what is missing, keep what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = AcpKeys(
        folder / "acp_root.cer",
        folder / "acp_middle.cer",
        folder / "acp_key.pem",
        folder / "acp_sign.cer",
        folder / "acp_merchant.pfx",
    )
    if not keys.merchant_pfx.exists():
        root_key, middle_key, platform_key, merchant_key = _rsa(), _rsa(), _rsa(), _rsa()
        root = certificate("CFCA sandbox ACS CA", root_key)
        middle = certificate("CFCA sandbox ACS OCA31", middle_key, issuer=(root, root_key))
        above = (middle, middle_key)
        platform = certificate(f"041@Z2026-11-23@{SIGNER}@00000001", platform_key, issuer=above)
        merchant = certificate(f"041@8{MER_ID}@00000001", merchant_key, issuer=above)
        keys.root.write_bytes(_pem(root))
        keys.middle.write_bytes(_pem(middle))
        keys.platform_certificate.write_bytes(_pem(platform))
        _write_key(keys.platform_key, platform_key)
        keys.merchant_pfx.touch(mode=0o600)
        keys.merchant_pfx.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"merchant",
                merchant_key,
                merchant,
                None,
                serialization.BestAvailableEncryption(PFX_PASSWORD.encode()),
            )
        )
    return keys


def certificate(
    name: str,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None = None,
    start: datetime | None = None,
    days: int = 5 * 365,
) -> x509.Certificate:
    """Signed by `issuer`, or by itself."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Linli sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    start = start or datetime.now(UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )


def read_certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def read_key(path: Path) -> rsa.RSAPrivateKey:
    return load_private_key(path)


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
