"""The pages of 会员体系 in the order of their tabs."""

from flask import url_for

TABS = (("等级", "console.tiers.index"),)


def tabs(active: str) -> list[tuple[str, str, str, bool]]:
    """(words, address, no count, whether it is this one) for `ui.tabs`."""
    return [(words, url_for(to), "", to == active) for words, to in TABS]
