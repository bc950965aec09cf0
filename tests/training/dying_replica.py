"""Be a process of a data-parallel run; process 1 dies in it, as by ``kill -9``.

``python -m tests.training.dying_replica STEPS ARGUMENTS``: the command line with those arguments, for so
many steps.
"""

import os
import signal
import sys

import numpy as np
from torch import Tensor

from chinchilla_lib.cli import main
from chinchilla_lib.training.cuda import DeviceStep

if __name__ == "__main__":
    steps_left = int(sys.argv[1])
    do_step = DeviceStep.__call__

    def die_in_time(self: DeviceStep, rate: float, batch: np.ndarray) -> Tensor:
        global steps_left
        if steps_left == 0 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        steps_left -= 1
        return do_step(self, rate, batch)

    DeviceStep.__call__ = die_in_time  # type: ignore[method-assign]
    sys.exit(main(sys.argv[2:]))
