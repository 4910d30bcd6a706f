"""What is wanted of a storm, and what came of it. No processes here."""

from dataclasses import dataclass, field

from localdev.storm.outcome import Outcome, Usage
from webpubsub_emulator.faults import Fault


@dataclass(frozen=True)
class Plan:
    """What is wanted of a run."""

    users: int
    rate: float
    format: str
    faults: tuple[Fault, ...]
    seed: int
    rounds: int
    instances: int
    has_digest: bool = True

    @property
    def name(self) -> str:
        """How it differs from the run beside it."""
        return f"digest {'on' if self.has_digest else 'off'}"

    @property
    def settings(self) -> dict[str, str]:
        """The app's, above the sample's."""
        digest = {} if self.has_digest else {"USHER_DIGEST_ABOVE": "0"}
        return {"USHER_ANNOUNCEMENT_FORMAT": self.format, "LOG_LEVEL": "INFO", **digest}


@dataclass
class Run:
    """The storms of one stack, and what it used: before them, in each when all are in, after each.

    Those lists are empty where the system does not tell.
    """

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    before: list[Usage] = field(default_factory=list)
    full: list[Usage] = field(default_factory=list)
    after: list[Usage] = field(default_factory=list)

    @property
    def last(self) -> Outcome:
        """The last storm."""
        return self.outcomes[-1]

    def complaints(self) -> list[str]:
        """What must not be, in any of the storms."""
        may_fail = bool(self.plan.faults)
        # Without the digest a crowd may be too much: that is what the digest is for.
        may_be_untold = may_fail or not self.plan.has_digest
        return [
            f"storm {number}: {text}"
            for number, outcome in enumerate(self.outcomes, 1)
            for text in outcome.complaints(may_fail=may_fail, may_be_untold=may_be_untold)
        ]
