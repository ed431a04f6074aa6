"""The name that was meant: nearest by edit distance.  Knows nothing of programs."""

from __future__ import annotations

from collections.abc import Iterable

MOST_CANDIDATES = 20_000


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a slip of the fingers may have turned into `name`; None if all are far."""
    wanted = name.lower()
    letters = set(wanted)
    limit = max(1, len(name) // 3)
    best, least = None, limit + 1
    for count, candidate in enumerate(candidates):
        if count == MOST_CANDIDATES:
            break
        other = candidate.lower()
        far = abs(len(other) - len(wanted)) > limit or len(letters.symmetric_difference(other)) > 2 * limit
        if far or candidate == name:
            continue
        distance = _distance(wanted, other)
        # Of a short name something has to be left: `a` is not meant by `b`.
        if distance < least and distance < min(len(wanted), len(other)):
            best, least = candidate, distance
    return best


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
