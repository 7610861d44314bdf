"""The configuration of the payment channels that are not WeChat Pay."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, SecretStr, StringConstraints, model_validator

from core.config_section import Origin, Section

S = TypeVar("S", bound=Section)


def _once(section: S, name: str, ids: list[str]) -> S:
    if len(ids) != len(set(ids)):
        raise ValueError(f"the same {name} stands twice")
    return section


class AlipayAccount(Section):
    """An application of Alipay's open platform. Key mode: our private key and Alipay's public key;
    certificate mode: our private key and the three certificates."""

    app_id: Annotated[str, StringConstraints(pattern=r"^\d{8,32}$")]
    private_key_path: Path
    public_key_path: Path | None = None
    app_certificate_path: Path | None = None
    alipay_certificate_path: Path | None = None
    root_certificate_path: Path | None = None
    seller_id: Annotated[str, StringConstraints(pattern=r"^\d{8,32}$")] | None = None
    ways: list[Literal["page", "wap", "native", "code"]] = ["page", "wap", "native", "code"]
    merchant: str | None = None

    @property
    def certificates(self) -> tuple[Path, Path, Path] | None:
        """Ours, Alipay's and its roots; None in key mode."""
        ours, theirs = self.app_certificate_path, self.alipay_certificate_path
        roots = self.root_certificate_path
        return (ours, theirs, roots) if ours and theirs and roots else None

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        three = (
            self.app_certificate_path,
            self.alipay_certificate_path,
            self.root_certificate_path,
        )
        if any(three) and not all(three):
            raise ValueError("certificate mode needs all three certificates")
        if bool(self.public_key_path) == all(three):
            raise ValueError("either public_key_path (key mode) or the three certificates")
        return self


class Alipay(Section):
    gateway: Origin = "https://openapi.alipay.com/gateway.do"
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    accounts: list[AlipayAccount] = []

    @model_validator(mode="after")
    def _unique(self) -> Self:
        return _once(self, "app_id", [each.app_id for each in self.accounts])


class UnionPayAccount(Section):
    """A merchant of UnionPay's online gateway: the PFX signs for us; root and middle are what
    UnionPay's own certificates descend from."""

    mer_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{15}$")]
    certificate_path: Path
    certificate_password: SecretStr
    root_certificate_path: Path
    middle_certificate_path: Path
    merchant: str | None = None


class UnionPay(Section):
    """`signer` is the third part of the name in the certificate that UnionPay signs with."""

    gateway: Origin = "https://gateway.95516.com/gateway/api"
    files: Origin = "https://filedownload.95516.com/"
    signer: str = "中国银联股份有限公司"
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    accounts: list[UnionPayAccount] = []

    @model_validator(mode="after")
    def _unique(self) -> Self:
        return _once(self, "mer_id", [each.mer_id for each in self.accounts])
