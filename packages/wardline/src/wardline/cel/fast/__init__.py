"""Many conditions at once: Python generated from their trees, for the values they usually meet.

`Batch.screen` sorts the conditions of a batch into those that certainly hold, those that certainly do
not, and those that the strict evaluation has to answer. A condition is certain only where every value
it reads has the very type the code was made for; whatever else it meets, an error above all, is in
doubt. So nothing here has a meaning of its own: `cel/evaluate.py` keeps it, and tests hold the two
against each other to the step.
"""

from __future__ import annotations

from wardline.cel.fast.batch import Batch

__all__ = ["Batch"]
