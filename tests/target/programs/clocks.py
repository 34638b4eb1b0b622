"""Says what its clocks show whenever it is asked."""

import json
import os
import sys
import time


def say():
    facts = {
        "pid": os.getpid(),
        "epoch": time.time(),
        "monotonic": time.monotonic(),
        "boottime": time.clock_gettime(time.CLOCK_BOOTTIME),
        "utc_offset_s": time.localtime().tm_gmtoff,
    }
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


say()
for _ in sys.stdin:
    say()
