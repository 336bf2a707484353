"""Floor 12: the performance ladder. One kernel, run as plain Python, as Java, and as C under better and better schedules.

It replays Table 1 of Leiserson et al., "There's plenty of room at the Top", Science 368 (2020), on this computer.
"""

from skosh.ladder.climb import DTYPES, Ladder, Step, climb

__all__ = ["DTYPES", "Ladder", "Step", "climb"]
