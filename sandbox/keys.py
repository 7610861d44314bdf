"""Key pairs of the two parties: the platform (WeChat Pay) and the demo merchant."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PUBLIC_KEY_ID = "PUB_KEY_ID_0119000067892026112200000000000001"
MERCHANT_ID = "1900006789"
BRAND_ID = "120344"


@dataclass(frozen=True)
class Keys:
    """Paths of the files and the serials that name them in headers."""

    directory: Path
    platform_key: Path
    platform_certificate: Path
    platform_serial: str
    public_key_private: Path
    public_key: Path
    public_key_id: str
    merchant_key: Path
    merchant_certificate: Path
    merchant_serial: str
    brand_key: Path
    brand_serial: str


def ensure(directory: Path | str, *, mchid: str = MERCHANT_ID) -> Keys:
    """Create what is missing, keep what is there: safe to call on every start."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    platform_key = folder / "platform_key.pem"
    platform_certificate = folder / "platform_cert.pem"
    public_key_private = folder / "wechatpay_key.pem"
    public_key = folder / "wechatpay_public_key.pem"
    merchant_key = folder / "merchant_key.pem"
    merchant_certificate = folder / "merchant_cert.pem"
    brand_key = folder / "brand_key.pem"
    brand_certificate = folder / "brand_cert.pem"

    _ensure_certificate(platform_key, platform_certificate, "Tenpay.com sandbox")
    _ensure_certificate(merchant_key, merchant_certificate, mchid)
    _ensure_certificate(brand_key, brand_certificate, BRAND_ID)
    private = _ensure_key(public_key_private)
    if not public_key.exists():
        public_key.write_bytes(
            private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return Keys(
        directory=folder,
        platform_key=platform_key,
        platform_certificate=platform_certificate,
        platform_serial=certificate_serial(platform_certificate),
        public_key_private=public_key_private,
        public_key=public_key,
        public_key_id=PUBLIC_KEY_ID,
        merchant_key=merchant_key,
        merchant_certificate=merchant_certificate,
        merchant_serial=certificate_serial(merchant_certificate),
        brand_key=brand_key,
        brand_serial=certificate_serial(brand_certificate),
    )


def certificate_serial(path: Path) -> str:
    """Forty upper-case hex digits, as WeChat writes them."""
    return f"{x509.load_pem_x509_certificate(path.read_bytes()).serial_number:040X}"


def load_private_key(path: Path) -> rsa.RSAPrivateKey:
    key = _read(path.read_bytes())
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path} is not an RSA key")
    return key


# OpenSSL proves that a key is one whenever it reads it, which takes longer than many signatures.
_read = cache(partial(serialization.load_pem_private_key, password=None))


def _ensure_key(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        return load_private_key(path)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return key


def _ensure_certificate(key_path: Path, path: Path, name: str) -> None:
    key = _ensure_key(key_path)
    if not path.exists():
        path.write_bytes(make_certificate(key, name).public_bytes(serialization.Encoding.PEM))


def make_certificate(key: rsa.RSAPrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    # A high bit is set: clients compare the hex text, so it must never lose a leading zero.
    serial = x509.random_serial_number() | (1 << 158)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=5 * 365))
        .sign(key, hashes.SHA256())
    )
