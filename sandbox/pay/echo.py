"""A merchant tries out its signatures and ciphers: what it says comes back."""

from sandbox.pay import schema
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.schema import Rule, Text
from sandbox.pay.unsealing import seal, unseal

ECHO: dict[str, Rule] = {
    "echo_message": Text(1024, required=True),
    "encrypted_echo_message": Text(2048),
    "notify_url": Text(255),
}


@pay_api("echo", "/v3/security/echo", method="POST", title="试签名和加密")
def echo(call: Call) -> Body:
    schema.check(call.body, ECHO)
    answer = {"echo_message": call.body["echo_message"]}
    if sealed := call.body.get("encrypted_echo_message"):
        said = unseal(call.world.settings.platform, sealed)
        answer["encrypted_echo_message"] = seal(call.merchant.public_key, said)
    return answer
