"""Pages that a browser sees where WeChat would know whose phone it is: the sandbox asks."""

import io
from collections.abc import Sequence
from html import escape

import segno
from flask import Response

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f2f3f5;color:#1f2329;font:16px/1.6 -apple-system,"PingFang SC",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
header{background:#33488f;color:#fff;padding:16px 20px;font-weight:600}
header small{font-weight:400;opacity:.9;margin-left:8px}
main{max-width:420px;margin:24px auto;padding:0 16px}
section{background:#fff;border-radius:14px;padding:24px 20px;text-align:center}
h1{margin:0 0 4px;font-size:20px}p{margin:0;color:#646a73}
.qr{width:200px;margin:20px auto 4px}.qr svg{display:block;width:100%}
nav{margin-top:20px;border-top:1px solid #eceef1;text-align:left}
nav a{display:flex;align-items:center;min-height:56px;border-bottom:1px solid #eceef1;
color:inherit;text-decoration:none}
nav a:last-child{border-bottom:0}nav a:hover b{color:#33488f}
nav i{display:grid;place-items:center;width:36px;height:36px;margin-right:12px;
border-radius:50%;background:#e8ebf6;color:#33488f;font-style:normal;font-weight:600}
nav span{margin-left:auto;color:#646a73;font-size:14px}
a:focus-visible{outline:3px solid #ffb300;outline-offset:2px}
p.note{margin-top:16px;font-size:14px;text-align:center}
"""


def page(title: str, text: str, inside: str = "", note: str = "") -> Response:
    foot = f'<p class="note">{escape(note)}</p>' if note else ""
    return Response(
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        "<header>微信<small>沙箱扮演的</small></header>"
        f"<main><section><h1>{escape(title)}</h1><p>{escape(text)}</p>{inside}</section>{foot}"
        "</main></html>",
        mimetype="text/html",
        headers={"Cache-Control": "no-store"},
    )


def choice(people: Sequence[tuple[str, str, str]], *, scanned: str = "") -> Response:
    """Who is it: (name, role, where it leads). With `scanned` as the code on a website's page,
    which somebody scans with their phone."""
    links = "".join(
        f'<a href="{escape(href)}"><i aria-hidden="true">{escape(name[:1])}</i>'
        f"<b>{escape(name)}</b><span>{escape(role)}</span></a>"
        for name, role, href in people
    )
    nav = f'<nav aria-label="选一个人">{links}</nav>'
    if not scanned:
        return page("这是谁的手机？", "沙箱里的微信不知道你是谁，选一个人。", nav)
    out = io.BytesIO()
    segno.make(scanned, error="m").save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2, dark="#1f2329"
    )
    return page(
        "用微信扫码登录",
        "真的微信里拿手机扫；在沙箱里，点一下由谁来扫。",
        '<div class="qr" role="img" aria-label="登录用的二维码">'
        f"{out.getvalue().decode()}</div>{nav}",
        "只用来登录，不会动真的微信账号",
    )
