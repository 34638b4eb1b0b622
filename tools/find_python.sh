#!/bin/sh
# Prints the first Python that can build and test leakscope: 3.10 to 3.13 with venv, pip and headers.
# $PYTHON, if set, is the only candidate.
set -u
said=""
for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    lacks=$("$name" - 2>/dev/null <<'EOF'
import sys, sysconfig
from pathlib import Path
lacks = []
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    lacks.append("is %d.%d, not 3.10 to 3.13" % sys.version_info[:2])
else:
    try:
        import ensurepip, venv
    except ImportError:
        lacks.append("lacks ensurepip (Debian: apt-get install python3-venv)")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        lacks.append("lacks Python.h (Debian: apt-get install python3-dev)")
print("; ".join(lacks))
EOF
    ) || continue
    if [ -z "$lacks" ]; then
        command -v "$name"
        exit 0
    fi
    said="$said
  $name $lacks"
done
echo "leakscope is built with a CPython 3.10 to 3.13, and none was found that will do.$said" >&2
echo "help: make test PYTHON=/path/to/python3" >&2
exit 1
