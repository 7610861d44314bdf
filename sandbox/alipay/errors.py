"""Refusals of Alipay: 40004 with a word of the service, 40002 and others of the gateway."""


class AlipayError(Exception):
    def __init__(self, code: str, sub_code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.sub_code, self.message = code, sub_code, message

    def body(self) -> dict[str, str]:
        msg = {
            "40004": "Business Failed",
            "40002": "Invalid Arguments",
            "20000": "Service Currently Unavailable",
        }
        return {
            "code": self.code,
            "msg": msg.get(self.code, "Invalid Arguments"),
            "sub_code": self.sub_code,
            "sub_msg": self.message,
        }


def refused(sub_code: str, message: str) -> AlipayError:
    return AlipayError("40004", sub_code, message)
