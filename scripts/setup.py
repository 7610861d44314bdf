"""Everything from nothing: the environment, the browser builds, for tests the system's servers too.

Runs on a bare Python 3.11+ (standard library only). What is up to date is left alone, so a second
run takes a second. `python3 scripts/setup.py [--dev] [--system]`.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
NODE_MINIMUM = 18
DEBIAN = {
    "mariadbd": "mariadb-server",
    "redis-server": "redis-server",
    "chromium": "chromium",
    "fc-list:Noto Sans CJK": "fonts-noto-cjk",
}

GENERATED = {"schema.d.ts"}
"""Made by a build among its own sources."""

started = time.monotonic()
problems: list[str] = []
said = threading.Lock()


def say(text: str) -> None:
    with said:
        print(f"  {time.monotonic() - started:5.1f} s  {text}", flush=True)


def fail(text: str) -> None:
    sys.exit(f"\n  ✗ {text}\n")


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run quietly; on failure show the end of what was printed and stop."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        line = " ".join(str(part) for part in command)
        raise RuntimeError(f"{line}\n{done.stdout[-3_000:]}")


def fingerprint(*places: Path) -> str:
    """A hash over the contents of files and folders, so that a build is redone only when needed."""
    digest = hashlib.sha256()
    for place in places:
        files = [place] if place.is_file() else sorted(place.rglob("*")) if place.exists() else []
        for file in files:
            if file.is_file() and file.name not in GENERATED:
                digest.update(str(file.relative_to(ROOT)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Path, value: str) -> bool:
    return stamp.exists() and stamp.read_text() == value


def make_environment(lock: Path) -> None:
    if not (BIN / "python").exists():
        say("建立 Python 环境 .venv")
        try:
            run(sys.executable, "-m", "venv", VENV)
        except RuntimeError as error:
            shutil.rmtree(VENV, ignore_errors=True)
            fail(f"python3 -m venv 不能用（Debian：apt-get install python3-venv）\n{error}")
    stamp, value = VENV / f".{lock.stem}.stamp", fingerprint(lock)
    if is_current(stamp, value):
        return
    say(f"安装 Python 依赖（{lock.name}，带校验）")
    install(lock)
    stamp.write_text(value)


def install(lock: Path) -> None:
    """What the lock file names, into the environment; every file must have a hash that it lists."""
    quiet = ("-q", "--disable-pip-version-check", "--no-input")
    try:
        run(BIN / "python", "-m", "pip", "install", *quiet, "--require-hashes", "-r", lock)
    except RuntimeError as error:
        fail(f"依赖没有装上：\n{error}")


def find_node() -> str:
    """The folder that holds node and npm: the system's, else the one from the wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        if version.startswith("v") and int(version[1:].split(".")[0]) >= NODE_MINIMUM:
            return str(Path(npm).parent)
    if not (BIN / "npm").exists():
        say("系统里没有 Node，装进 .venv")
        install(ROOT / "requirements-node.lock")
    return str(BIN)


def build(
    name: str, folder: Path, script: str, sources: list[str], output: Path, node: str
) -> None:
    """npm ci and one build script, skipped while its sources are the same."""
    stamp = output / ".stamp"
    value = fingerprint(*(folder / source for source in [*sources, "package-lock.json"]))
    if is_current(stamp, value):
        return
    env = {"PATH": f"{node}:{os.environ['PATH']}", "CI": "1", "npm_config_update_notifier": "false"}
    modules = folder / "node_modules" / ".linli-lock"
    lock = fingerprint(folder / "package-lock.json")
    try:
        if not is_current(modules, lock):
            say(f"{name}：安装前端依赖")
            quiet = ("--no-audit", "--no-fund", "--loglevel=error")
            run("npm", "ci", *quiet, cwd=folder, env=env)
            modules.write_text(lock)
        say(f"{name}：构建")
        run("npm", "run", script, cwd=folder, env=env)
    except RuntimeError as error:
        with said:
            problems.append(f"{name} 没有建成：\n{error}")
        return
    output.mkdir(parents=True, exist_ok=True)
    stamp.write_text(value)
    say(f"{name}：好了")


def describe_api(target: Path) -> None:
    """The backend's OpenAPI description, of which the mini-program's types are made."""
    code = [
        file
        for package in sorted(ROOT.glob("*/__init__.py"))
        for file in sorted(package.parent.rglob("*.py"))
        if "node_modules" not in file.parts and package.parent.name != "tests"
    ]
    stamp = VENV / ".openapi.stamp"
    value = fingerprint(ROOT / "app.py", ROOT / "requirements.lock", *code)
    if target.exists() and is_current(stamp, value):
        return
    say("小程序：取后端的接口描述")
    try:
        run(BIN / "python", "-m", "scripts.openapi", target)
    except RuntimeError as error:
        fail(f"接口描述没有生成：\n{error}")
    stamp.write_text(value)


def build_pages() -> None:
    node = find_node()
    console, mini = ROOT / "console", ROOT / "miniprogram"
    describe_api(mini / "openapi.json")
    sources = {
        "console": ["assets", "templates", "vite.config.js", "package.json"],
        "mini": ["src", "tools", "openapi.json", "vite.config.ts", "index.html", "package.json"],
    }
    h5 = mini / "dist" / "build" / "h5"
    jobs = [
        ("商家后台", console, "build", sources["console"], console / "static" / "dist", node),
        ("小程序浏览器版", mini, "build", sources["mini"], h5, node),
    ]
    threads = [threading.Thread(target=build, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        fail("\n".join(problems))


def has(program: str) -> bool:
    if program.startswith("fc-list:"):
        if not shutil.which("fc-list"):
            return False
        fonts = subprocess.run(["fc-list"], capture_output=True, text=True).stdout
        return program.removeprefix("fc-list:") in fonts
    return bool(shutil.which(program) or Path("/usr/sbin", program).exists())


def install_servers() -> None:
    """MariaDB, Redis, Chromium and a Chinese font, where Debian packages can be installed."""
    missing = {program: package for program, package in DEBIAN.items() if not has(program)}
    if not missing:
        return
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"安装系统软件：{'、'.join(missing.values())}")
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            run("apt-get", "update", "-qq", env=env)
            options = ("-y", "-qq", "--no-install-recommends")
            run("apt-get", "install", *options, *missing.values(), env=env)
        except RuntimeError as error:
            say(str(error))
        missing = {program: package for program, package in DEBIAN.items() if not has(program)}
    for program, package in missing.items():
        print(f"\n  !!! 缺少 {package}（{program}）：用到它的测试会跳过；CI 里算失败\n", flush=True)
    if missing and os.environ.get("CI"):
        fail("CI 里不能缺少上面这些软件")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    parser.add_argument("--system", action="store_true", help="also MariaDB, Redis and Chromium")
    parser.add_argument("--no-pages", action="store_true", help="without the browser builds")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python must hear why
        fail(f"需要 Python 3.11 以上，这里是 {sys.version.split()[0]}")
    if arguments.system:
        install_servers()
    make_environment(ROOT / ("requirements-dev.lock" if arguments.dev else "requirements.lock"))
    if not arguments.no_pages:
        build_pages()


if __name__ == "__main__":
    main()
