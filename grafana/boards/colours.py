"""The colours, from the palette of Okabe and Ito, which people see apart whatever their colour vision.

Red stands for what needs a person, and for nothing else. No colour says anything alone: a word or number is beside it.
"""

from __future__ import annotations

GOOD = "#009E73"
PLAIN = "#56B4E9"
"""A number that is neither good nor bad."""
WATCH = "#E69F00"
"""It mends itself, or costs something: worth a look."""
ACT = "#D55E00"
"""A person must act."""
QUIET = "#8C8C8C"
"""Nothing goes on, as it should."""
SECOND = "#CC79A7"
THIRD = "#F0E442"
DEEP = "#0072B2"

ONE_OF_MANY = {
    "/[1bn](:[0-9]+)?$/": PLAIN,
    "/[2cp](:[0-9]+)?$/": GOOD,
    "/[3dqa](:[0-9]+)?$/": SECOND,
    "/[4fr](:[0-9]+)?$/": THIRD,
    "/[5gse](:[0-9]+)?$/": DEEP,
    "/[6hti](:[0-9]+)?$/": "#B3DDF5",
    "/[7jvo](:[0-9]+)?$/": "#7FD6B9",
    "/[8kwu](:[0-9]+)?$/": "#E8BBD3",
    "/[9lxy](:[0-9]+)?$/": "#A89F00",
    "/[0mz](:[0-9]+)?$/": "#7C9AD6",
}
"""Colours of workers and operators, by the last letter of their names, before a port: the same on all panels. Two may
share one; of three workers it happens in a quarter of the cases."""
