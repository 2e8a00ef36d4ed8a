"""What the kit can find, each as a failure of its own, so that a gap names exactly one of them."""

from __future__ import annotations

__all__ = [
    "Crashed",
    "Finding",
    "FrameworkMissing",
    "Leaked",
    "Mismatch",
    "NotJudged",
    "NotSuspended",
    "NotWhatHappened",
    "Overrun",
    "RanDespiteDenial",
    "SilentDenial",
]


class Finding(AssertionError):
    """Something that an adapter does wrong."""


class RanDespiteDenial(Finding):
    """A body started although its action was refused, or before it was decided."""


class NotJudged(Finding):
    """Something happened, or was to happen, of which the guard was never asked."""


class Mismatch(Finding):
    """What was judged, or what ran, is not what the other was: name, arguments, session, principal."""


class SilentDenial(Finding):
    """A refusal that neither the model nor the caller learns about, in the declared form."""


class Leaked(Finding):
    """Something withheld, redacted or refused reached the model, the caller or the stream."""


class Overrun(Finding):
    """Something ran more than once, or was judged more than once."""


class NotSuspended(Finding):
    """A question that did not suspend the run, or a run that could not be resumed."""


class NotWhatHappened(Finding):
    """The ledger says something else than what happened."""


class Crashed(Finding):
    """The run ended with an error that has nothing to do with a refusal."""


class FrameworkMissing(Finding):
    """The framework was not there: not installed, stubbed, or never called."""
