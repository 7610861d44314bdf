"""The virtual phone: two phones, the story's steps and a live account of what happens, in one page.

Everything the page shows comes from the sandbox's control API; nothing of the backend is imported.
The server that mounts `blueprint` sets `app.config["PHONE"]` (see `PhoneSetup`).
"""

from sandbox.phone import health  # noqa: F401  (its route hangs on the blueprint)
from sandbox.phone.pages import PhoneSetup, blueprint

__all__ = ["PhoneSetup", "blueprint"]
