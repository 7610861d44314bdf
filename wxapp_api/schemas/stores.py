"""Stores and tables."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from wxapp_api.schemas.common import (
    IdIn,
    IdOut,
    Out,
    PageQuery,
    Params,
    no_control_characters,
)


class StoresQuery(PageQuery):
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    lng: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    q: str = Field("", max_length=50)
    appid: str = Field("", max_length=32)


class StorePath(Params):
    store_id: IdIn


class StoreQuery(Params):
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    lng: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    appid: str = Field("", max_length=32)


class TablePath(Params):
    code: str = Field(min_length=1, max_length=32)


class AppQuery(Params):
    appid: str = Field("", max_length=32)


class TableQuery(AppQuery):
    qr: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=256),
        AfterValidator(no_control_characters),
    ] = Field(description="what the camera read from the code at the table")


class StoreOut(Out):
    """A store as a card shows it. `open`: takes orders right now."""

    id: IdOut
    code: str
    name: str
    address: str
    city: str
    lat: float
    lng: float
    phone: str
    distance_m: int | None = Field(None, description="null: no position was given")
    open: bool
    state: Literal["open", "closed"]
    state_text: str = Field(description="营业中 / 休息中 / 暂停营业")
    hours: dict[str, list[list[str]]] = Field(description='{"mon": [["09:30", "22:00"]], …}')
    today_text: str = Field(description="09:30–22:00 / 今日休息")
    prep_minutes: int
    promotions: list[str] = Field(description="满 40 减 5")


class TableOut(Out):
    code: str
    name: str


class TableAnswer(Out):
    store: StoreOut
    table: TableOut
