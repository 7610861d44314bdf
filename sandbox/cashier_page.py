"""The page of a channel's cashier, for Alipay and UnionPay alike: plain, and plainly a sandbox."""

from html import escape

from flask import Response

ACTS = {"pay": "确认付款", "later": "先离开，二十秒后再付", "cancel": "取消，回到店里"}
LATER_SECONDS = 20.0
_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f2f3f5;color:#1f2329;font:16px/1.6 -apple-system,"PingFang SC",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
header{background:COLOUR;color:#fff;padding:16px 20px;font-weight:600}
header small{font-weight:400;opacity:.85;margin-left:8px}
main{max-width:460px;margin:24px auto;padding:0 16px}
section{background:#fff;border-radius:14px;padding:24px 20px;text-align:center}
.payee{color:#646a73}.amount{font-size:44px;font-weight:700;margin:4px 0 12px}
dl{display:grid;grid-template-columns:auto 1fr;gap:8px 16px;margin:0;text-align:left;
border-top:1px solid #eceef1;padding-top:16px}
dt{color:#646a73}dd{margin:0;text-align:right;word-break:break-all}
button{display:block;width:100%;min-height:48px;margin-top:12px;border:0;border-radius:10px;
font:inherit;font-weight:600;cursor:pointer;background:#fff;color:#1f2329}
button.pay{background:COLOUR;color:#fff}
button:focus-visible{outline:3px solid #ffb300;outline-offset:2px}
p.note{color:#646a73;font-size:14px;text-align:center}
"""


def cashier_page(
    name: str,
    colour: str,
    *,
    payee: str,
    subject: str,
    amount: str,
    number: str,
    action: str,
) -> Response:
    buttons = "".join(
        f'<button class="{act}" name="act" value="{act}">{escape(words)}'
        f"{f' ¥{amount}' if act == 'pay' else ''}</button>"
        for act, words in ACTS.items()
    )
    goods = f"<dt>商品</dt><dd>{escape(subject)}</dd>" if subject else ""
    return _page(
        name,
        colour,
        f'<section><div class="payee">付款给 {escape(payee)}</div>'
        f'<div class="amount">¥{amount}</div>'
        f"<dl>{goods}<dt>商户单号</dt><dd>{escape(number)}</dd></dl></section>"
        f'<form method="post" action="{escape(action)}">{buttons}</form>'
        f'<p class="note">这是沙箱扮演的{escape(name)}，不会动真钱</p>',
    )


def message_page(name: str, colour: str, words: str) -> Response:
    return _page(name, colour, f"<section>{escape(words)}</section>")


def _page(name: str, colour: str, inside: str) -> Response:
    style = _STYLE.replace("COLOUR", colour)
    return Response(
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(name)}沙箱收银台</title><style>{style}</style>"
        f"<header>{escape(name)}<small>沙箱收银台</small></header><main>{inside}</main></html>",
        mimetype="text/html",
        headers={"Cache-Control": "no-store"},
    )
