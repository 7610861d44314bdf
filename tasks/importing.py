"""Jobs of members who come over from another system: a file's lines; old files are forgotten."""

from core import clock
from crm.importing import making, working
from payments import stored
from tasks.each import Turns
from tasks.registry import Run, job


@job("crm.import_members", queue="bulk", timeout=300)
def import_members(run: Run, import_id: int) -> None:
    """Line after line from where the last worker came to; a file makes room for others."""
    turns, more = Turns(), True
    while more:
        turns.next()
        with run.transaction() as session:
            more = working.next_slice(
                session, import_id, now=clock.now(), book=stored.post_imported
            )


@job("crm.forget_imports", queue="bulk", timeout=600)
def forget_imports(run: Run) -> None:
    """What stood in files of a month ago: it names people."""
    while True:
        with run.transaction() as session:
            if making.forget(session, now=clock.now()) == 0:
                return
