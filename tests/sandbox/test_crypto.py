"""The official vectors of message push."""

from sandbox.wechat import crypto

KEY, APPID = "A" * 43, "wxba5fad812f8e6fb9"
SEALED = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzD"
    "pVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2I"
    "uQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F"
    "9mFUPAJGj04="
)


def test_signatures_match_the_official_ones() -> None:
    assert crypto.signature("AAAAA", "1714036504", "1514711492") == (
        "f464b24fc39322e44b38aa78f5edd27bd1441696"
    )
    assert crypto.signature("AAAAA", "1714112445", "415670741", SEALED) == (
        "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"
    )


def test_opens_the_official_message() -> None:
    message = crypto.unseal(KEY, APPID, SEALED)

    assert message.startswith(b'{"ToUserName":"gh_97417a04a28d"')
    assert len(message) == 167


def test_seals_like_the_official_reply() -> None:
    sealed = crypto.seal(KEY, APPID, b'{"demo_resp":"good luck"}', random=b"707722b803182950")

    assert sealed == (
        "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    )


def test_seals_chinese_like_the_old_sample_package() -> None:
    sealed = crypto.seal(
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "wxb11529c136998cb6",
        "我是中文abcd123".encode(),
        random=b"aaaabbbbccccdddd",
    )

    assert sealed == (
        "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="
    )
