"""What recipients read."""

from datetime import UTC, datetime

import pytest

from crm.campaigns.words import Gift, fill

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
