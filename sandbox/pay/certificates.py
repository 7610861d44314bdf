"""The platform certificate, encrypted under the merchant's key; only for certificate mode."""

from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.clock import rfc3339
from sandbox.pay import signing
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError


@pay_api("certificates", "/v3/certificates", method="GET", title="下载平台证书")
def certificates(call: Call) -> Body:
    platform = call.world.settings.platform
    if call.merchant.public_key_id and not call.world.settings.mixed_keys:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台使用微信支付公钥")
    key = call.merchant.api_v3_key
    return {
        "data": [
            {
                "serial_no": each.serial,
                "effective_time": rfc3339(each.certificate.not_valid_before_utc.timestamp()),
                "expire_time": rfc3339(each.certificate.not_valid_after_utc.timestamp()),
                "encrypt_certificate": signing.encrypt(
                    key, each.certificate.public_bytes(Encoding.PEM), "certificate"
                ),
            }
            for each in platform.certificates
        ]
    }
