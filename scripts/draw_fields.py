"""Draw the catalogue of what a segment may ask into docs/crm.md, between its two marks.

`python -m scripts.draw_fields`; a test fails when the file is behind the code.
"""

from itertools import groupby
from pathlib import Path

from crm.segments.fields import FIELDS

FILE = Path(__file__).resolve().parent.parent / "docs" / "crm.md"
BEGIN, END = "<!-- fields: drawn from the code -->\n", "<!-- end of fields -->\n"


def table() -> str:
    rows = ["| 看什么 | 怎么比 | 说明 |\n", "| --- | --- | --- |\n"]
    for group, fields in groupby(FIELDS.values(), key=lambda field: field.group):
        for number, field in enumerate(fields):
            ops = "、".join(op.words.rstrip("：") for op in field.ops)
            name = field.label if number else f"**{group}**：{field.label}"
            rows.append(f"| {name} | {ops} | {field.about} |\n")
    return "".join(rows)


def page(text: str) -> str:
    """The document with today's table in it."""
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    FILE.write_text(page(FILE.read_text(encoding="utf-8")), encoding="utf-8")
