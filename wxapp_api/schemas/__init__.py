"""The shapes of the mini-program's API: ids are strings, money is fen, times are RFC 3339."""
