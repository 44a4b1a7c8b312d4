"""Questions and refusals while a goal is read: stable ids, answers applied, nothing asked twice."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from agent_etl.engine.goal import Finding, Option, Question, Refusal

__all__ = ["Asking", "Unclear"]


class Unclear(Exception):
    """The phrase at hand cannot be understood; what stands in its way is recorded already."""


class Asking:
    """Collects questions and refusals about one goal; knows the answers so far."""

    def __init__(self, goal: str, answers: Mapping[str, str]) -> None:
        self.goal = goal
        self.answers = answers
        self.used: dict[str, str] = {}
        self.questions: dict[str, Question] = {}
        self.refusals: dict[tuple[int, int], Refusal] = {}
        self.findings: dict[str, Finding] = {}
        self.notes: list[str] = []

    def forget(self) -> None:
        """Start over for another reading of the same goal; answers stay."""
        self.used.clear()
        self.questions.clear()
        self.refusals.clear()
        self.findings.clear()
        self.notes.clear()

    def choose(
        self,
        kind: str,
        span: tuple[int, int],
        text: str,
        options: Sequence[tuple[str, str]],
        *,
        free: bool = False,
    ) -> str:
        """The answer to a question, if it was given and is valid.

        Raises: Unclear after recording the question.
        """
        quote = self.goal[slice(*span)]
        name = _identity(kind, quote, span[0])
        valid = [value for value, _ in options]
        answer = self.answers.get(name)
        if answer is not None:
            match = next((value for value in valid if value.lower() == answer.strip().lower()), None)
            if match is not None or (free and answer.strip()):
                chosen = match if match is not None else answer.strip()
                self.used[name] = chosen
                return chosen
        labelled = tuple(Option(value, label) for value, label in options)
        self.questions[name] = Question(name, text, quote, span, labelled, free)
        raise Unclear

    def refuse(self, span: tuple[int, int], reason: str) -> Unclear:
        """Record a refusal; returns the exception to raise."""
        self.refusals.setdefault(span, Refusal(self.goal[slice(*span)], span, reason))
        return Unclear()

    def note(self, sentence: str) -> None:
        """A decision that a reader should see."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def find(self, finding: Finding) -> None:
        """Record a finding once."""
        self.findings.setdefault(finding.code + finding.message, finding)


def _identity(kind: str, quote: str, start: int) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", quote.lower()).strip("-")[:24].strip("-")
    digest = hashlib.sha256(f"{kind}\0{quote}\0{start}".encode()).hexdigest()[:6]
    return f"{kind}-{words}-{digest}" if words else f"{kind}-{digest}"
