"""What recipients read."""

from datetime import UTC, datetime

import pytest

from crm.campaigns.words import Gift, brief, fill

GIFT = Gift("老客回店券", datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("林小满", "{昵称}，送你{券名}", "林小满，送你老客回店券"),
        ("", "{昵称}，送你{券名}", "送你老客回店券"),
        ("", "给{昵称}的{券名}，{到期日}前用", "给你的老客回店券，12 月 1 日前用"),
    ],
)
def test_placeholders_are_filled_and_a_missing_name_leaves_no_hole(
    name: str, text: str, read: str
) -> None:
    assert fill(text, name, GIFT) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("来坐坐", "来坐坐"),
        ("小满，好久不见。给你留了一张「老客回店券」，12 月 1 日前来用", "小满，好久不见。"),
        ("给你留了一张「老客回店券」，明天以前来喝一杯热的", "给你留了一张「老客回店券」"),
        ("一二三四五六七八九十一二三四五六七八九十一", "一二三四五六七八九十一二三四五六七八九…"),
    ],
)
def test_a_field_of_a_subscribe_message_ends_with_a_sentence_or_a_clause(
    text: str, read: str
) -> None:
    assert brief(text) == read
