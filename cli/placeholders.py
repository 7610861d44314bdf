"""What is still as config.example.toml has it: a secret that everybody can read is none."""

import base64
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from core.config import Config

EXAMPLE = Path(__file__).resolve().parent.parent / "config.example.toml"
OWN = {
    "api_v2_key",
    "api_v3_key",
    "appid",
    "base_url",
    "encoding_aes_key",
    "encryption_keys",
    "mchid",
    "origin_id",
    "public_key_id",
    "secret",
    "secret_key",
    "serial_no",
    "subscribe_templates",
    "templates",
    "token",
    "url",
}
"""Keys that every installation fills with something of its own."""
LOCAL = {"redis://127.0.0.1:6379/0"}
"""What stands in the example and is right on many machines."""


def list_placeholders(config: Config) -> list[str]:
    """The dotted keys that still hold the example's value, in the file's order."""
    example = tomllib.loads(EXAMPLE.read_text("utf-8"))
    known = {(_name(key), value) for key, value in _leaves(example)}
    return [
        key
        for key, value in _leaves(config)
        if _name(key) in OWN and value not in LOCAL and (_name(key), value) in known
    ]


def list_weak_keys(config: Config) -> list[str]:
    """Versions of data keys that nobody drew at random: 32 random bytes hold about 30 values."""
    weak = []
    for key in config.app.encryption_keys:
        version, _, material = key.get_secret_value().partition(":")
        if len(set(base64.b64decode(material))) < 16:
            weak.append(version)
    return weak


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a configuration or in a TOML document, with its dotted key."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{key}[{number}]")
    elif isinstance(value, str) and value:
        yield key, value


def _name(key: str) -> str:
    """`wechat.mini_programs[1].secret` → `secret`; of a table of templates, the table's name."""
    parts = [part.partition("[")[0] for part in key.split(".")]
    return parts[-2] if len(parts) > 1 and parts[-2].endswith("templates") else parts[-1]
