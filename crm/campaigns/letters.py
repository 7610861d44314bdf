"""A campaign's words in the form of the channel that carries them."""

from typing import Any

from core.config import current_config
from crm.campaigns import words
from messaging.accounts import find_official, mini_for_official
from messaging.models import Channel
from messaging.planning import Plan


def write(text: str, name: str, gift: words.Gift | None, plan: Plan) -> dict[str, Any]:
    """The message in the form of its channel."""
    if plan.channel is Channel.broadcast:  # the same words for everybody
        return {"text": words.fill(text, "", gift), "page": words.page_of(gift)}
    if plan.channel is Channel.subscribe and gift is not None:
        return words.subscribe(text, name, gift, plan.template_id)
    official = find_official(plan.appid)
    picture = official.card_media_id if official else ""
    mini, base_url = mini_for_official(plan.appid), current_config().app.base_url
    return words.chat(text, name, gift, mini, base_url, picture)
