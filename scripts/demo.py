"""The demo: the whole story in a browser, with no account and nothing installed by hand."""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from core import embedded_redis
from scripts.tree import Tree, free_port

DIRECTORY = Path("var/demo")
MEMBERS = 80  # with a past of orders, so that segments and charts have something to say

BANNER = """
  邻里已经跑起来了

    虚拟手机      {sandbox}/sandbox/        ← 从这里开始：扫码关注、点单、付款、核销
    商家后台      {desk}/console/         {logins}
    接口文档      {base}/docs

  Ctrl-C 结束；数据在 {directory}/，删掉就从头再来
"""


def main() -> None:
    web, web_taken = _port("WEB_PORT", 8000)
    sandbox, sandbox_taken = _port("SANDBOX_PORT", 8001)
    began = time.monotonic()
    if embedded_redis.is_running(DIRECTORY / "redis"):
        sys.exit(f"\n  ✗ 演示已经在跑，数据在 {DIRECTORY}/。先去那个终端按 Ctrl-C 结束它\n")

    def say(text: str) -> None:
        print(f"  {time.monotonic() - began:5.1f} s  {text}", flush=True)

    for taken in filter(None, (web_taken, sandbox_taken)):
        say(taken)
    tree = Tree(DIRECTORY, web, sandbox, history=MEMBERS, say=say)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has it ignore Ctrl-C
        signal.signal(number, _interrupt)
    try:
        tree.start()
        say("好了")
        print(
            BANNER.format(
                sandbox=tree.sandbox_url,
                base=tree.base_url,
                desk=f"http://localhost:{web}",  # another cookie than the clerk's phone has
                logins=logins(tree),
                directory=DIRECTORY,
            ),
            flush=True,
        )
        _watch(tree)
    except RuntimeError as error:
        sys.exit(f"\n  ✗ {error}")
    except KeyboardInterrupt:
        print("\n  正在结束…", flush=True)
    finally:
        tree.stop()


def _port(variable: str, usual: int) -> tuple[int, str]:
    """The port to use, and what to say when it is not the wanted one."""
    wanted = int(os.environ.get(variable, usual))
    found = free_port(wanted)
    if found == wanted:
        return found, ""
    how = f"想自己选：{variable}=端口 make demo"
    return found, f"端口 {wanted} 有别的程序在用，改用 {found}（{how}）"


def logins(tree: Tree) -> str:
    """Who may log in at the console, with the passwords of this installation."""
    people = tree.data["staff"]
    return "；".join(f"{one['username']} / {one['password']}（{one['name']}）" for one in people)


def _watch(tree: Tree) -> None:
    while True:
        for name, process in tree.processes.items():
            if process.poll() is not None:
                raise RuntimeError(
                    f"{name} 停了（{process.returncode}）\n{_last_words(tree, name)}"
                )
        time.sleep(0.5)


def _last_words(tree: Tree, name: str) -> str:
    folder = tree.directory / "redis" if name == "redis" else tree.directory
    return (folder / f"{name}.log").read_text(errors="replace")[-2_000:]


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
