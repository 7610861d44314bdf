"""The official account's door: what WeChat pushes about chats, and the passive replies.

A message is verified on its raw bytes (403 otherwise, and nothing changes), stored in the inbox and
acted upon once; a repetition hears the same reply. Anything that is not handled is accepted and
stays recorded. With the database away messages wait in Redis.
"""

from flask import Flask


def register(app: Flask) -> None:
    """Mount the callbacks on `app`."""
    from official_account import intake
    from official_account.callbacks import blueprint

    app.extensions[intake.EXTENSION] = intake.Gathering()
    app.register_blueprint(blueprint)
