"""How far the story has come: what the page has seen happen, remembered across restarts."""

STAYS = frozenset({"staff"})
"""True of the staff, who go on working when the story is told again."""


class Story:
    def __init__(self) -> None:
        self._facts: set[str] = set()

    def learn(self, facts: list[str]) -> None:
        self._facts.update(facts)

    def facts(self) -> list[str]:
        return sorted(self._facts)

    def restart(self) -> None:
        self._facts &= STAYS

    def clear(self) -> None:
        self._facts.clear()

    def dump(self) -> list[str]:
        return self.facts()

    def load(self, data: list[str]) -> None:
        self._facts = set(data)
