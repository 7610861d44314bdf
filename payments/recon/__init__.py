"""Every night: what the channels say of a day against what we say, row by row, to the fen.

`days` knows which days are wanted, `loading` keeps a bill's rows, `checks` are the questions,
`matching` asks them and keeps the answers, `fixing` is what people do about them.
"""
