"""The lines of a proof: `N. what: figure: holds|falls short|skipped`."""

import os
import shutil
import sys

short = False


def say(number, what, figure, good):
    """One line; a figure that falls short is remembered for the exit status."""
    global short
    short = short or not good
    print(f"{number}. {what}: {figure}: {'holds' if good else 'falls short'}", flush=True)


def skipped(number, what, why):
    print(f"{number}. {what}: skipped ({why})", flush=True)


def lacks(*programs):
    """Why nothing can be shown here; none if it can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("ip", "ethtool", *programs) if not shutil.which(name)]
    return f"no {', '.join(missing)}" if missing else None


def end():
    """Ends the program with the status of what it showed."""
    sys.exit(1 if short else 0)
