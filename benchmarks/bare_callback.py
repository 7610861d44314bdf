"""The yardstick of `callback`: a bare Flask view with the same cipher, one INSERT and the reply."""

import json
import os
import time
from contextlib import closing
from typing import Any
from xml.etree import ElementTree

import pymysql
from flask import Flask, Response, abort, request

from gateways.wechat import sealing

RULES = {"营业": "每天 9 点开门", "营业时间": "9 点到 22 点"}
DEFAULT = "收到啦"
INSERT = (
    "INSERT INTO inbound_events (source, external_id, kind, body, raw, state, outcome, received_at,"
    " done_at) VALUES (%s, %s, 'text', %s, %s, 'done', 'handled', UTC_TIMESTAMP(6),"
    " UTC_TIMESTAMP(6))"
)


def create_app() -> Flask:
    """Told what it needs by BENCH_CALLBACK, a JSON object."""
    told = json.loads(os.environ["BENCH_CALLBACK"])
    appid, token = told["appid"], told["token"]
    key = sealing.aes_key(told["encoding_aes_key"])
    idle: list[Any] = []
    app = Flask("bare")

    def connect() -> Any:
        return pymysql.connect(
            unix_socket=told["socket"], user="root", database=told["database"], autocommit=True
        )

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.post(f"/wechat/official/{appid}")
    def receive() -> Response:
        query = request.args
        sealed = ElementTree.fromstring(request.get_data()).findtext("Encrypt") or ""
        given = query["msg_signature"]
        if not sealing.is_signature(given, token, query["timestamp"], query["nonce"], sealed):
            abort(403)
        raw = sealing.unseal(key, sealed, appid)
        fields = {child.tag: child.text or "" for child in ElementTree.fromstring(raw)}
        row = (f"wechat.official:{appid}", fields["MsgId"], json.dumps(fields), raw.decode())
        connection = idle.pop() if idle else connect()
        with closing(connection.cursor()) as cursor:
            cursor.execute(INSERT, row)
        idle.append(connection)

        matching = [word for word in RULES if word in fields["Content"]]
        text = RULES[max(matching, key=len)] if matching else DEFAULT
        now = str(int(time.time()))
        reply = (
            f"<xml><ToUserName><![CDATA[{fields['FromUserName']}]]></ToUserName>"
            f"<FromUserName><![CDATA[{fields['ToUserName']}]]></FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            f"<Content><![CDATA[{text}]]></Content></xml>"
        )
        encrypted = sealing.seal(key, reply.encode(), appid)
        signature = sealing.signature(token, now, query["nonce"], encrypted)
        body = (
            f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt>"
            f"<MsgSignature><![CDATA[{signature}]]></MsgSignature>"
            f"<TimeStamp>{now}</TimeStamp><Nonce><![CDATA[{query['nonce']}]]></Nonce></xml>"
        )
        return Response(body, content_type="application/xml; charset=utf-8")

    return app
