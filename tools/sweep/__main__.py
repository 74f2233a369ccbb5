"""Run the sweeps of book/sweeps and record them in book/results, point by point.

    python -m tools.sweep              every sweep: what is missing
    python -m tools.sweep 10 13        the sweeps of two chapters
    python -m tools.sweep 10 --fresh   from the start, after its code has changed
    python -m tools.sweep --state      which sweeps hold, are due, are stale
    python -m tools.sweep --sample     measure one recorded point of each again; if it repeats,
                                       stamp the file with the present code, else mark it stale

A sweep is a file book/sweeps/NN-slug.py with

    points() -> list[dict]     parameters of each point, "seed" among them
    run(point) -> dict         what was measured there: numbers, and `Right` for a share of test
                               texts, which keeps which of them were right

and, if it wants, TOLERANCE = {"accuracy": 0.02} for --sample, and NOT_COMPARED = ("seconds",) for
values, such as times, that another machine need not reach.

A sweep starts only once the bars that it settles are frozen: python -m tools.register.

Points that only choose a setting on validation data say stage="tune". One seed may do; of several
the mean decides. What they chose stands in CHOSEN = {method: learning_rate}, and a test compares.

Each point is stored as it ends, so a stopped sweep goes on where it was. Points run on one thread
each, two side by side.
"""

from __future__ import annotations

import argparse
import math
import os
import sys

from tlhelpers.evidence.recorded import read_content
from tools.project import UserError
from tools.sweep.plan import RESULTS, find_sweeps
from tools.sweep.record import run_sweep, state
from tools.sweep.sample import sample, stamp_anew


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("which", nargs="*", help="chapter numbers or names of sweeps")
    parser.add_argument("--fresh", action="store_true", help="forget what is recorded")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no point after this")
    parser.add_argument("--state", action="store_true", help="only tell what holds")
    parser.add_argument("--sample", action="store_true", help="measure a point of each sweep again")
    parser.add_argument("--choice", type=int, help="seed of the choice of the sampled point")
    options = parser.parse_args(arguments)
    # Recorded sweeps are those of the tiny profile, whatever this machine has.
    os.environ.setdefault("TL_PROFILE", "tiny")
    status = 0
    try:
        for path in find_sweeps(options.which):
            target = RESULTS / f"{path.stem}.json"
            if (options.state or options.sample) and not target.exists():
                print(f"{path.stem}: not recorded yet")
            elif options.state:
                print(f"{path.stem}: {state(read_content(target))}")
            elif options.sample:
                again = sample(path, choice=options.choice)
                stamp_anew(again)
                print(again, "  stamped" if again.agrees else "  the sweep is STALE", sep="\n")
                status |= not again.agrees
            else:
                missing = run_sweep(path, fresh=options.fresh, minutes=options.minutes)
                if missing:
                    print(f"{path.stem}: stopped, {missing} points are missing; run it again")
    except (UserError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the points that had finished are kept.", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
