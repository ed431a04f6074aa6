"""The name that was meant: nearest by edit distance.  Knows nothing of programs."""

from __future__ import annotations

from collections.abc import Iterable

MOST_CANDIDATES = 20_000


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a slip of the fingers may have turned into `name`; None if all are far."""
    limit = max(1, len(name) // 3)
    best, least = None, limit + 1
    letters = set(name.lower())
    for count, candidate in enumerate(candidates):
        if count == MOST_CANDIDATES:
            break
        if abs(len(candidate) - len(name)) >= least + (candidate.lower() == name.lower()) or candidate == name:
            continue
        if len(letters.symmetric_difference(candidate.lower())) > 2 * limit:
            continue
        distance = _distance(name, candidate)
        if distance < least and not _unlike(name, candidate, distance):
            best, least = candidate, distance
    return best


def _unlike(name: str, candidate: str, distance: int) -> bool:
    """Whether nothing of the name is left: `a` for `b`, where every short name would be near."""
    return distance >= min(len(name), len(candidate)) and name.lower() != candidate.lower()


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that turn one into the other; case counts half."""
    if left.lower() == right.lower():
        return 0
    left, right = left.lower(), right.lower()
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
