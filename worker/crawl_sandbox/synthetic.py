"""A made-up catalogue of any size: the same seed gives the same artists, on every machine.

The shares follow what is known of the real catalogue: most artists are unknown and have no genres, words are few and
repeated (so that some strings match more than can be retrieved), some names occur twice, one in twenty has diacritics.
The names are made up: nothing of anybody's content is in it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from crawl_sandbox.catalogue import Row

# Lists of words are written as text and split: a line each instead of a column.
# ruff: noqa: SIM905
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_COMMON = (
    "the dj mc los la el de da and of band black young king lil boy big red blue night love a x project soul trio "
    "orchestra moon fire star city dream gold wild ghost river house kid queen sun wave rock ii 3 808 99 new old "
).split()
_ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl fr gl gr kr pl pr sh sk sl st th tr".split()
_VOWELS = "a a a e e e i i i o o o u u y ai ea ee ia io ou".split()
_CODAS = ["", "", "", "", *"n r l s t m k d x ck ll nd ng nt rd rk st th".split()]
_ACCENTS = str.maketrans("aeioucn", "áéíöüçñ")
_OTHER_SCRIPTS = ("Лунный Свет", "夜の森", "Южный Ветер", "별빛", "עץ השדה")
_GENRES = "ambient,folk,indie pop,jazz,hip hop,metal,techno,house,latin,classical,punk,soul".split(",")
_POPULARITY_SHARES = ((0.848, 0, 0), (0.949, 1, 9), (0.974, 10, 19), (0.993, 20, 39), (0.9987, 40, 59), (1.0, 60, 100))


def generate(size: int, *, seed: int) -> Iterator[Row]:
    """Yield `size` artists."""
    rng = random.Random(f"artistcrawl sandbox {seed}")
    vocabulary = _vocabulary(rng, 400 + size // 6)
    earlier = [""]
    for _ in range(size):
        name = _name(rng, vocabulary, earlier)
        popularity = _popularity(rng.random(), rng)
        yield Row(
            id=_base62(rng.getrandbits(128)),
            name=name,
            popularity=popularity,
            genres=_genres(rng) if rng.random() < 0.037 else (),
            followers=int(10 ** (popularity / 14) * (1 + 20 * rng.random())),
        )


def _vocabulary(rng: random.Random, size: int) -> list[str]:
    """Return distinct words, the most used first."""
    known = dict.fromkeys(_COMMON)
    while len(known) < size:
        syllables = 1 + int(3 * rng.random())
        word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables))
        known[word] = None
    return list(known)


def _name(rng: random.Random, vocabulary: list[str], earlier: list[str]) -> str:
    """Return one name; `earlier` holds a name that some later artist shares."""
    drawn = rng.random()
    if drawn < 0.03 and earlier[0]:
        return earlier[0]
    if drawn < 0.0335:
        return f"{rng.choice(_OTHER_SCRIPTS)} {rng.randrange(100)}"
    count = rng.choices((1, 2, 3), (0.35, 0.5, 0.15))[0]
    # size ** random is log-uniform, so the word of rank k is drawn in proportion to 1/k, as in real names.
    words = [vocabulary[int(len(vocabulary) ** rng.random()) - 1].capitalize() for _ in range(count)]
    quirk = rng.random()
    if quirk < 0.05:
        words[-1] = words[-1].translate(_ACCENTS)
    elif quirk < 0.065:
        words[0] = f"{rng.choice('DO')}'{words[0]}"
    elif quirk < 0.095:
        words.append(str(rng.randrange(1, 2000)))
    elif quirk < 0.12:
        words = [word.upper() for word in words]
    name = " ".join(words)
    if rng.random() < 0.2:
        earlier[0] = name
    return name


def _popularity(drawn: float, rng: random.Random) -> int:
    for share, lowest, highest in _POPULARITY_SHARES:
        if drawn < share:
            return rng.randint(lowest, highest)
    return 100


def _genres(rng: random.Random) -> tuple[str, ...]:
    return tuple(sorted(rng.sample(_GENRES, rng.randint(1, 3))))


def _base62(number: int) -> str:
    digits = []
    for _ in range(22):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)
