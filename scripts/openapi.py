"""The API's description, for the mini-program's types: `python -m scripts.openapi [file]`.

Builds the application on a throw-away configuration, so neither a database nor Redis is needed.
Without a file the description is printed.
"""

import base64
import json
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

from app import create_app
from core import config


def describe() -> dict[str, Any]:
    """What /openapi.json of this source tree answers."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    with tempfile.TemporaryDirectory(prefix="linli-") as folder:
        settings = config.parse(
            {
                "app": {
                    "secret_key": secrets.token_hex(32),
                    "encryption_keys": [f"1:{key}"],
                    "docs": True,
                    "var": folder,
                },
                "database": {"url": f"sqlite:///{folder}/none.db"},
                "redis": {"url": "redis://127.0.0.1:1/0"},
                "logging": {"level": "error"},
                "wechat": {},
            }
        )
        answer = create_app(settings).test_client().get("/openapi.json")
    if answer.status_code != 200:
        raise RuntimeError(f"/openapi.json answered {answer.status}")
    description: dict[str, Any] = json.loads(answer.data)
    return description


def main() -> None:
    text = json.dumps(describe(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
