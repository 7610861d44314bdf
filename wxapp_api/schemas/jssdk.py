"""Shapes of the signature for web pages."""

from pydantic import BaseModel, ConfigDict, Field


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    url: str = Field(min_length=1, max_length=2048, description="the page's own address")
    appid: str | None = Field(default=None, max_length=64, description="the official account")


class PageSignatureOut(BaseModel):
    """The arguments of `wx.config`."""

    model_config = ConfigDict(from_attributes=True)

    appid: str
    timestamp: int
    nonce: str
    signature: str
