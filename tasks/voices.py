"""A job that finds out how long a voice is that somebody sent."""

from core.database import reading
from messaging import chat, conversations
from messaging.materials import remote, voices
from tasks.busy import comes_back
from tasks.registry import Run, job


@job("messaging.measure_voice", queue="default", timeout=60)
@comes_back
def measure_voice(run: Run, appid: str, openid: str, media_id: str) -> None:
    """Whoever answers sees how long it is before they listen; what is gone at WeChat stays bare."""
    with reading() as session:
        line = chat.find_media(session, appid, openid, media_id)
    raw = remote.fetch_voice(appid, media_id) if line is not None else None
    seconds = voices.seconds(raw) if raw else None
    if line is None or seconds is None:
        return
    with run.finish() as session:
        chat.note_seconds(session, line, seconds)
        conversations.tell(session, appid)
