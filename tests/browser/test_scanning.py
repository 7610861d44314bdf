"""A phone's camera at the counter: WeChat's own scanner, the browser's, or neither."""

import pytest
from playwright.sync_api import Page, Route, expect

from console.scanning import SDK
from tests.browser.conftest import Open
from tests.browser.test_builders import PHONE, enter
from tests.browser.test_builders import address as address
from tests.console.conftest import Chain
from tests.console.conftest import chain as chain

pytestmark = pytest.mark.browser

NEITHER = "delete window.BarcodeDetector"
READER = """
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ['qr_code'] }
  async detect(video) { return video.videoWidth ? [{ rawValue: 'ABCD-EFGH-JKLM' }] : [] }
}
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement('canvas')
  const paint = canvas.getContext('2d')
  setInterval(() => paint.fillRect(0, 0, 9, 9), 50)
  window.filmed = canvas.captureStream(20)
  return window.filmed
}
"""
SCANNER = """
window.wx = {
  error() {},
  ready(then) { this.then = then },
  config(given) { if (given.signature === 's') setTimeout(this.then) },
  scanQRCode(asked) {
    if (asked.needResult === 1) asked.success({ resultStr: 'CODE_128,134567890123456789' })
  },
}
"""


def open_redeem(open_page: Open, chain: Chain, address: str, script: str) -> Page:
    page = enter(open_page, chain, address, "/more", PHONE)
    page.add_init_script(script)
    page.goto(f"{address}/console/redeem/")
    return page


def test_where_neither_is_there_the_button_is_not(
    chain: Chain, address: str, open_page: Open
) -> None:
    page = open_redeem(open_page, chain, address, NEITHER)

    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-scan]")).to_be_hidden()
    expect(page.get_by_label("券码")).to_be_visible()


def test_the_browsers_camera_reads_a_code_and_sends_the_form(
    chain: Chain, address: str, open_page: Open
) -> None:
    page = open_redeem(open_page, chain, address, READER)

    page.get_by_role("button", name="用相机扫").click()

    page.wait_for_url("**/redeem/check?code=ABCD-EFGH-JKLM")
    expect(page.get_by_label("券码")).to_have_value("ABCD-EFGH-JKLM")


def test_who_gives_up_scanning_turns_the_camera_off(
    chain: Chain, address: str, open_page: Open
) -> None:
    nothing = READER.replace("[{ rawValue: 'ABCD-EFGH-JKLM' }]", "[]")
    page = open_redeem(open_page, chain, address, nothing)
    page.get_by_role("button", name="用相机扫").click()
    expect(page.get_by_role("dialog", name="用相机扫")).to_be_visible()

    page.get_by_role("button", name="不扫了").click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("filmed.getTracks().every(track => track.readyState === 'ended')")
    assert page.url.endswith("/redeem/")


def test_inside_wechat_its_own_scanner_reads_the_code(
    chain: Chain, address: str, open_page: Open
) -> None:
    page = enter(open_page, chain, address, "/more", PHONE)
    page.add_init_script(NEITHER)

    def sign(route: Route) -> None:
        assert "page=%2Fconsole%2Fredeem%2F" in route.request.url
        route.fulfill(json={"appId": "wx1", "timestamp": 1, "nonceStr": "n", "signature": "s"})

    def with_sdk(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace("data-scan=", f'data-sdk="{SDK}" data-scan=')
        policy = answer.headers["content-security-policy"]
        policy = policy.replace("script-src 'self'", "script-src 'self' https://res.wx.qq.com")
        headers = answer.headers | {"content-security-policy": policy}
        route.fulfill(response=answer, body=body, headers=headers)

    page.route("**/redeem/", with_sdk)
    page.route("**/redeem/signature?*", sign)
    page.route(SDK, lambda route: route.fulfill(body=SCANNER, content_type="text/javascript"))
    page.goto(f"{address}/console/redeem/")

    page.get_by_role("button", name="用相机扫").click()

    page.wait_for_url("**/redeem/check?code=134567890123456789")
