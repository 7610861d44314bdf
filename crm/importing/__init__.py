"""Members who come over from another system: their phone, name, tier, points and balance.

A file is read once and kept line by line, sealed; nothing happens before somebody has seen what
would. A job then does the lines, each once: a slice moves the file's cursor with its effects, and a
phone number that was done is never given points or a balance again, whatever file it stands in.
Nobody is written to for it, no journey hears of it, and consent is what the file says, never more.
"""
