#!/bin/sh
# Makes a virtual environment: tools/environment.sh FOLDER
#   or installs into it:       tools/environment.sh FOLDER REQUIREMENTS
#
# All words go to standard error, so that `make -s token` prints the token alone.
# PYTHON names the interpreter; without it the first of the usual names that is new enough is taken.
set -eu

folder=$1
requirements=${2:-}

say() { printf '  %-12s %s\n' "$1" "$2" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found="no ${PYTHON:-python3}"
    if command -v "${PYTHON:-python3}" >/dev/null; then
        found=$("${PYTHON:-python3}" --version 2>&1 | head -n 1)
    fi
    echo "Tandem needs Python 3.11 or newer; found: $found." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.13 ..." >&2
    exit 1
}

if [ -z "$requirements" ]; then
    python=$(find_python)
    say environment "$folder, $("$python" --version)"
    if ! "$python" -m venv --clear "$folder" >&2; then
        rm -rf "$folder"
        exit 1
    fi
else
    say packages "$requirements"
    # The files name every package with its hash, so there is nothing to resolve; byte code comes
    # with the first import of what is really used.
    "$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
        --no-compile --no-deps --require-hashes -r "$requirements" >&2
fi
