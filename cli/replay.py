"""`replay`: recorded callbacks once more, by id, by time or by kind."""

from datetime import datetime

import click
from flask.cli import with_appcontext

from core.clock import now as clock_now
from core.database import reading, transaction
from core.inbox import EventState, InboundEvent
from messaging import replaying
from messaging.inbox import PREFIXES
from payments import notices


@click.command("replay")
@click.option("--id", "event_id", type=int, help="one recorded callback")
@click.option("--since", type=click.DateTime(), help="all since this moment (UTC)")
@click.option("--kind", default="", help="text, subscribe, scan, TRANSACTION.SUCCESS, …")
@click.option("--limit", default=100, show_default=True)
@click.option("--act", is_flag=True, help="act upon what nobody acted upon; else only look")
@with_appcontext
def replay(event_id: int | None, since: datetime | None, kind: str, limit: int, act: bool) -> None:
    """Show what recorded callbacks do, and with --act do what was left undone.

    What was acted upon before is never acted upon twice: it is tried, and rolled back.
    """
    if event_id is None and since is None and not kind:
        raise click.UsageError("say which: --id, --since or --kind")
    for event in _chosen(event_id, since, kind, limit):
        click.echo(_line(event))
        for line in _replayed(event, act):
            click.echo(f"    {line}")


def _chosen(
    event_id: int | None, since: datetime | None, kind: str, limit: int
) -> list[InboundEvent]:
    with reading() as session:
        if event_id is not None:
            found = session.get(InboundEvent, event_id)
            return [found] if found is not None else []
        moment = since.replace(tzinfo=clock_now().tzinfo) if since else None
        found_ = replaying.list_recorded(session, since=moment, kind=kind, limit=limit)
        return found_[::-1]


def _line(event: InboundEvent) -> str:
    said = replaying.describe(event) if event.source.startswith(PREFIXES) else event.external_id
    when = f"{event.received_at:%m-%d %H:%M:%S}"
    return f"#{event.id} {when} {event.source} {event.kind} [{event.outcome or 'left'}] {said}"


def _replayed(event: InboundEvent, act: bool) -> list[str]:
    now = clock_now()
    if notices.channel_of(event) is not None:
        if event.state is EventState.done or not act:
            return [f"payment notice: {event.outcome or 'not acted upon yet'}"]
        with transaction() as session:
            stored = session.get_one(InboundEvent, event.id)
            return [f"payment notice: {notices.act(session, stored, now)}"]
    if not event.source.startswith(PREFIXES):
        return ["nobody here knows what to do with this source"]
    with transaction() as session:
        done = replaying.replay(session, event.id, now=now, act=act)
    if done.acted:
        return [f"acted upon now: {effect.verb} {effect.table}" for effect in done.written]
    would = [f"would {each.verb} {each.rows} row(s) of {each.table}" for each in done.written]
    return would or ["would change nothing"]
