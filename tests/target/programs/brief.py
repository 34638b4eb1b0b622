"""Says that it is there, and ends after so many milliseconds: ``brief.py MS``."""

import sys
import threading
import time

for _ in range(5):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
sys.stdout.write("{}\n")
sys.stdout.flush()
time.sleep(int(sys.argv[1]) / 1000)
sys.exit(7)
