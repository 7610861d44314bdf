"""Journeys through the pages: from a model to a published version, and the people on it."""

import re

from sqlalchemy import select

from console import flow
from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import db, reading, transaction
from crm import events
from crm.journeys import editing, gallery, hearing
from crm.journeys.graph import faults
from crm.models import Journey, JourneyRun, JourneyState, JourneyVersion, Member
from merchants.models import Merchant, Staff
from tests.console.conftest import Browser, Chain
from tests.counting import statements
from tests.factories.coupons import make_template
from tests.factories.crm import make_person
from tests.factories.journeys import plan


def start(chain: Chain, model: str = "second_visit") -> tuple[Browser, int]:
    with transaction() as session:
        make_template(session, session.get_one(Merchant, chain.merchant_id), name="老客回店券")
    owner = chain.browser("owner")
    answer = owner.post("/journeys/new", model=model)
    assert answer.status_code == 303
    return owner, int(answer.location.rsplit("/", 1)[1])


def newest(journey_id: int) -> JourneyVersion:
    with reading() as session:
        found = select(JourneyVersion).where(JourneyVersion.journey_id == journey_id)
        return session.scalars(found.order_by(JourneyVersion.number.desc())).first()  # type: ignore[return-value]


def journey(journey_id: int) -> Journey:
    with reading() as session:
        return session.get_one(Journey, journey_id)


def come_in(chain: Chain, journey_id: int, number: int = 1) -> list[Member]:
    people = [chain.member(f"客人{index}", first_paid_at=clock_now()) for index in range(number)]
    with transaction() as session:
        for member in people:
            at = member.first_paid_at
            assert at is not None
            events.record(session, member.id, "paid", now=at)
            hearing.heard(session, member.id, "paid", at=at, data={}, now=clock_now())
    return people


def test_from_a_model_to_a_live_journey_and_back(chain: Chain) -> None:
    owner, id_ = start(chain)
    shown = owner.get(f"/journeys/{id_}").text
    assert "发「老客回店券」" in shown
    assert "还没有发布" in shown

    assert owner.post(f"/journeys/{id_}/publish").status_code == 303
    assert journey(id_).state is JourneyState.live
    for verb, state in (("pause", "paused"), ("resume", "live"), ("end", "ended")):
        assert owner.post(f"/journeys/{id_}/{verb}").status_code == 303
        assert journey(id_).state == state
    assert owner.post(f"/journeys/{id_}/pause").status_code == 409
    with reading() as session:
        acts = session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject == f"journey:{id_}")
        )
        assert list(acts) == [
            "journey.create",
            "journey.publish",
            "journey.paused",
            "journey.live",
            "journey.ended",
        ]
    assert "旅程「第二次到店」" in owner.get("/audit/").text


def test_a_step_is_added_changed_and_dropped_and_the_published_version_stays(chain: Chain) -> None:
    owner, id_ = start(chain)
    owner.post(f"/journeys/{id_}/publish")
    first = newest(id_)

    added = owner.post(f"/journeys/{id_}/steps", under="start", slot="first", kind="message")
    key = re.search(r"node=(n\d+)", added.location)
    assert key is not None
    wrong = owner.post(f"/journeys/{id_}/steps/{key[1]}", text=" ")
    assert (wrong.status_code, "写 1 到 300 个字" in wrong.text) == (422, True)
    owner.post(f"/journeys/{id_}/steps/{key[1]}", text="谢谢光临。")

    draft = newest(id_)
    assert (draft.number, draft.published_at, draft.graph["first"]) == (2, None, key[1])
    assert draft.graph["nodes"][key[1]]["text"] == "谢谢光临。"
    owner.post(f"/journeys/{id_}/steps/{key[1]}/drop")
    assert newest(id_).graph["nodes"] == first.graph["nodes"]
    with reading() as session:
        kept = session.get_one(JourneyVersion, first.id)
        assert (kept.graph, kept.published_at) == (first.graph, first.published_at)
    owner.post(f"/journeys/{id_}/discard")
    assert newest(id_).id == first.id


def test_the_trigger_is_set_and_its_faults_come_back_beside_the_fields(chain: Chain) -> None:
    owner, id_ = start(chain)
    typed = {"name": "三十天", "trigger": "inactive", "days": "0", "entry": "days", "goal": "paid"}

    wrong = owner.post(f"/journeys/{id_}/start", **typed, entry_days="400", holdout="500")
    assert wrong.status_code == 422
    assert "天数在 1 到 365 之间" in wrong.text
    assert newest(id_).graph["trigger"] == {"kind": "first_order"}

    typed |= {"days": "45", "entry_days": "60", "holdout": "2000"}
    assert owner.post(f"/journeys/{id_}/start", **typed).status_code == 303
    graph = newest(id_).graph
    assert (graph["trigger"], graph["entry"]) == (
        {"kind": "inactive", "days": 45},
        {"rule": "days", "days": 60},
    )
    assert (graph["holdout_bp"], journey(id_).name) == (2000, "三十天")


def test_what_is_not_filled_in_is_listed_and_not_published(chain: Chain) -> None:
    owner = chain.browser("owner")
    id_ = int(owner.post("/journeys/new", model="birthday").location.rsplit("/", 1)[1])

    assert "选一张券" in owner.get(f"/journeys/{id_}/publish").text
    assert owner.post(f"/journeys/{id_}/publish").status_code == 422
    assert journey(id_).state is JourneyState.draft


def test_who_walks_it_and_one_persons_way(chain: Chain) -> None:
    owner, id_ = start(chain)
    owner.post(f"/journeys/{id_}/publish")
    with transaction() as session:
        session.get_one(JourneyVersion, newest(id_).id).graph = {
            **newest(id_).graph,
            "holdout_bp": 0,
        }
    come_in(chain, id_)

    listed = owner.get(f"/journeys/{id_}/runs").text
    assert "客人0" in listed
    assert "等 3 天" in listed
    with reading() as session:
        run_id = session.scalars(select(JourneyRun.id)).one()
    way = owner.get(f"/journeys/{id_}/runs/{run_id}").text
    assert "付了第一单" in way
    assert "在里面" in way
    assert "1<small>正在等" in owner.get(f"/journeys/{id_}").text


def test_trying_it_out_needs_a_wechat_of_ones_own(chain: Chain) -> None:
    owner, id_ = start(chain)
    assert owner.post(f"/journeys/{id_}/test").status_code == 409
    with transaction() as session:
        who = session.scalars(select(Staff).where(Staff.username == "owner")).one()
        who.person_id = make_person(session).id

    answer = owner.post(f"/journeys/{id_}/test")

    assert answer.status_code == 303
    assert "试走" in owner.get(answer.location.removeprefix("/console")).text


def test_another_merchants_journey_is_not_there(chain: Chain) -> None:
    owner, id_ = start(chain)
    with transaction() as session:
        session.get_one(Journey, id_).merchant_id = chain.rival_merchant_id

    for path in ("", "/runs", "/publish", "/end"):
        assert owner.get(f"/journeys/{id_}{path}").status_code == 404
    assert owner.post(f"/journeys/{id_}/pause").status_code == 404


def test_a_list_of_people_asks_as_much_for_fifty_as_for_one(chain: Chain) -> None:
    owner, id_ = start(chain)
    owner.post(f"/journeys/{id_}/publish")
    numbers = []
    for more in (2, 30):
        come_in(chain, id_, more)
        with statements(db.engine) as few:
            owner.get(f"/journeys/{id_}/runs")
        numbers.append(len(few))

    assert numbers[0] == numbers[1]


def test_every_model_of_the_gallery_can_be_published_as_it_is() -> None:
    for model in gallery.MODELS:
        missing = {} if model.steps else {"": "还没有一步，先在触发下面加一步"}
        assert faults(gallery.plan_of(model, 1)) == missing, model.key


def test_a_branch_stands_over_its_arms_and_nothing_stands_on_another() -> None:
    made = plan({"kind": "branch"}, {"kind": "branch"}, {"kind": "wait"})
    made, _ = editing.insert(made, "n1", "no", "listen")
    drawn = flow.lay_out(made)
    places = {
        cell.key or f"{cell.under}.{cell.slot}": (cell.column, cell.row) for cell in drawn.cells
    }

    assert len(set(places.values())) == len(drawn.cells)
    assert places["start"][0] == places["n1"][0]
    assert places["n2"][0] < places["n1"][0] < places["n4"][0]
    assert drawn.width == 4 * 2 * flow.HALF
    assert [cell.key for cell in drawn.cells][:3] == ["start", "n1", "n2"]
    assert all(line.path.startswith("M") for line in drawn.lines)
