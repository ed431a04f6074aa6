"""How names are compared, and the name that was meant: nearest by edit distance.

Owns what counts as near and as the same, for names of programs, options and files alike.  Knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MOST_CANDIDATES = 20_000
SHORTEST_PART = 3


def normal(name: str) -> str:
    """The NFKC normal form, in which Python too compares names."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a slip of the fingers may have turned into `name`; None if all are far."""
    best, least = None, len(name) + 1
    for candidate, distance in _near(name, candidates):
        if distance < least:
            best, least = candidate, distance
    return best


def nearest_few(name: str, candidates: Iterable[str], most: int = 3) -> list[str]:
    """The nearest candidates: what differs in capitals only, else what is near, else what `name` is a part of."""
    known = tuple(candidates)
    near = sorted(_near(name, known), key=lambda found: found[1])
    part = name.lower() if len(name) >= SHORTEST_PART else None
    same = [candidate for candidate, distance in near if distance == 0]
    found = same or [candidate for candidate, _ in near] or [one for one in known if part and part in one.lower()]
    return found[:most]


def _near(name: str, candidates: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Candidates with their distances, where these are small for a name of this length."""
    wanted = name.lower()
    letters = set(wanted)
    limit = max(1, len(name) // 3)
    for count, candidate in enumerate(candidates):
        if count == MOST_CANDIDATES:
            break
        other = candidate.lower()
        far = abs(len(other) - len(wanted)) > limit or len(letters.symmetric_difference(other)) > 2 * limit
        if far or candidate == name:
            continue
        distance = _distance(wanted, other)
        # Of a short name something has to be left: `a` is not meant by `b`.
        if distance <= limit and distance < min(len(wanted), len(other)):
            yield candidate, distance


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that turn one into the other."""
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
