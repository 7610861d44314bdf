"""The virtual phone as a visitor uses it: page objects over what is seen, never over scripts."""

from playwright.sync_api import FrameLocator, Locator, Page, expect


class Phone:
    """One of the two phones on the page."""

    def __init__(self, page: Page, slot: str) -> None:
        self.page = page
        self.root = page.locator(f"#phone-{slot}")

    @property
    def holder(self) -> Locator:
        return self.root.locator(".holder")

    @property
    def chat(self) -> Locator:
        return self.root.get_by_role("log", name="聊天")

    @property
    def mini(self) -> FrameLocator:
        """The mini-program's page."""
        return self.root.frame_locator("iframe[title]:not(.web iframe)").first

    @property
    def web(self) -> FrameLocator:
        """The page of the web that a menu or a link opened over the chat."""
        return self.root.frame_locator(".web iframe")

    def tab(self, name: str) -> None:
        self.root.get_by_role("tab", name=name).click()

    def sheet(self, name: str) -> Locator:
        """What the system asks on this phone: 沙箱付款, 订阅消息, 位置, 手机号."""
        return self.root.get_by_role("dialog", name=name)

    def scan(self, title: str) -> None:
        """Point the camera at the code with this title."""
        self.tab("扫一扫")
        self.aim(title)

    def aim(self, title: str) -> None:
        """Choose a code in the scan dialog that is already open."""
        self.root.locator(".qrpick", has_text=title).first.click()
        self.root.get_by_role("button", name="扫这个码").click()

    def scan_text(self, text: str) -> None:
        """Scan a code that holds this text, by typing it."""
        self.tab("扫一扫")
        self.root.get_by_label("自己输入一段内容").fill(text)
        self.root.get_by_role("button", name="扫这个码").click()

    def tap_menu(self, *names: str) -> None:
        """Tap a button of the menu, then an entry of what it opens."""
        back = self.root.get_by_role("button", name="回到菜单")
        if back.is_visible():
            back.click()
        bar = self.root.locator(".mbar")
        bar.get_by_role("button", name=names[0], exact=True).click()
        for name in names[1:]:
            self.root.get_by_role("menuitem", name=name, exact=True).click()

    def say(self, text: str) -> None:
        keyboard = self.root.get_by_role("button", name="改用键盘")
        if keyboard.is_visible():
            keyboard.click()
        self.root.get_by_label("说点什么").fill(text)
        self.root.get_by_label("说点什么").press("Enter")

    def give_to(self, name: str) -> None:
        self.holder.click()
        self.root.get_by_role("menu", name="这台手机给谁用").get_by_text(name, exact=True).click()

    def hears(self, words: str, *, seconds: float = 15) -> None:
        """The chat shows these words."""
        expect(self.chat.get_by_text(words).last).to_be_visible(timeout=seconds * 1000)


class Desk:
    """The whole page: two phones, the story, the feed, the switches."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.customer = Phone(page, "a")
        self.clerk = Phone(page, "b")
        expect(self.customer.holder).to_be_visible()

    @property
    def hint(self) -> Locator:
        return self.page.locator("#hint")

    @property
    def feed(self) -> Locator:
        return self.page.locator("#feed .ev")

    def step(self, name: str) -> Locator:
        return self.page.get_by_role("navigation", name="故事的五步").get_by_role(
            "button", name=name
        )

    def is_done(self, name: str, *, seconds: float = 15) -> None:
        """The step of the story has ticked itself off."""
        done = f"{name}，已完成"
        expect(self.step(done)).to_be_visible(timeout=seconds * 1000)

    def fault(self, name: str) -> Locator:
        return self.page.get_by_role("switch", name=name)

    def fast_forward(self) -> None:
        """Ten minutes later."""
        self.page.get_by_role("button", name="快进 10 分钟").click()
        expect(self.page.get_by_role("button", name="快进 10 分钟")).to_be_enabled()
