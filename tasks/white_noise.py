"""White noise: targets that no input tells anything of. Whoever learns them has seen them."""

from typing import ClassVar

import numpy as np

from tasks import noise
from tasks.baselines import simple_baselines
from tasks.task import Series, Task, check_window

# Another seed than that of the inputs: the two streams are independent.
TARGET_SEED = 1997
UNREACHABLE_SHARE = 0.5


class WhiteNoise(Task):
    """White noise.

    Inputs and targets are independent of each other and of themselves. So whatever a model has seen, the best
    prediction is the mean, 0, and the error the variance, 1: floor, optimum and trivial error are one. The target
    lies at half of that, where nothing gets; a run in which an arm reaches it shows targets to the network.
    """

    name: ClassVar[str] = "white_noise"
    can_be_redrawn: ClassVar[bool] = True
    unit: ClassVar[str] = "share of the target's variance"
    target_rule: ClassVar[str] = "half of the optimum, which no model reaches"
    trivial = 1.0
    optimum = 1.0
    reach = None  # there is no dependency to cover
    title = "white noise"
    description = "Independent uniform inputs and, independent of them, uniform targets: nothing can be learnt."

    def build(self) -> Series:
        """Make the two streams, both with mean 0 and variance 1."""
        values = noise.stream(1, self.draw)
        bound = np.sqrt(3.0)
        targets = noise.generator(TARGET_SEED, self.draw).uniform(-bound, bound, len(values))
        return Series(values[:, None], targets[:, None], train_rows=noise.TRAIN_ROWS, warm_up=noise.warm_up_for(1))

    def stateless_floor(self, window: int) -> float:
        """Return the variance of the targets, whatever the window."""
        check_window(window)
        return self.optimum

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: of the mean, 0, and of a linear map of 16 steps, which is no better."""
        return simple_baselines(self, [16])

    def target(self, window: int) -> float:
        """Return half of the optimum, the same for each window."""
        check_window(window)
        return UNREACHABLE_SHARE * self.optimum
