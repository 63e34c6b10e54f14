# SPDX-License-Identifier: MIT
"""./dev mutate: plants faults in the library, and prints those that no test finds."""
import argparse
import concurrent.futures
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import plant  # noqa: E402
import trial  # noqa: E402
from trial import say  # noqa: E402

top = pathlib.Path(__file__).resolve().parent.parent.parent


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument("--files", nargs="+", default=[], metavar="PATH", help="files or folders of libraries; default: all, or those that changed")
    parser.add_argument("--changed", metavar="COMMIT", help="only lines that changed since this commit")
    parser.add_argument("--count", type=int, default=60, metavar="N", help="number of faults (60)")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1_000_000), help="repeats the draw of the run that printed it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--list", action="store_true", help="prints the drawn faults, and runs nothing")
    parser.add_argument("--only", type=int, nargs="+", default=[], metavar="NUMBER", help="tries only these of the drawn faults")
    parser.add_argument("--seconds", type=float, default=180, metavar="S", help="time for the tests of one fault (180)")
    parser.add_argument("--at-least", type=float, default=95, metavar="PERCENT", help="fails if fewer are found (95)")
    parser.add_argument("--tree", type=pathlib.Path, default=top, help=argparse.SUPPRESS)  # the tests have a small one
    return parser.parse_args()


def draw(options, copy):
    """The drawn faults. Those of the list of equivalents are not drawn."""
    files = plant.candidates(options.tree, options.files)
    lines = plant.changed_lines(options.tree, options.changed) if options.changed else None
    if lines is not None:
        files = [each for each in files if each in lines]
    elif len(files) > 2 * options.count:  # reading a file takes seconds
        weights = [(options.tree / each).stat().st_size for each in files]
        files = sorted(set(random.Random(options.seed).choices(files, weights, k=options.count)))
    if not files:
        raise SystemExit("mutate: no source or header of a library is among the files")
    say(f"looking for places in {len(files)} files")
    found = plant.find_all(options.tree, files, plant.Options(copy.build), options.jobs)
    found = plant.Equivalents(options.tree / "tools" / "mutate" / "equivalent.tsv").remove_from(found)
    if lines is not None:
        found = {file: [each for each in group if each.line in lines[file]] for file, group in found.items()}
    say(f"{sum(map(len, found.values()))} places; the seed is {options.seed}")
    return plant.draw(found, options.count, options.seed)


def build(options, copy, faults):
    """Builds the copy with the faults; drops those that do not compile."""
    runner = copy.load_runner()
    libraries = {plant.SOURCES.match(each.place.file).group("library") for each in faults}
    trials = trial.Trials(copy, runner, libraries, len(faults), options.seconds)
    left = faults
    for _ in range(12):
        plant.plant(options.tree, copy.folder, left)
        say(f"building {len(left)} faults and {len(trials.targets)} test programs")
        refused = copy.compile(trials.targets, left)
        if not refused:
            trials.refresh()
            return trials, left
        left = [each for each in left if each not in refused]
        say(f"{len(refused)} do not compile, and are dropped")
    raise SystemExit("mutate: the copy does not build")


def report(verdicts, failed, options):
    survivors = [each for each in verdicts if not each.found]
    if failed:
        say(f"{len(failed)} tests fail or crash without a fault, and were not used: {' '.join(failed[:10])}")
    if survivors:
        print("Faults that no test finds:")
    for each in survivors:
        place = each.fault.place
        print(f"{each.fault.number:4} {place.title}\n       is now: {' '.join(place.mutated.split())}\n       {each.why}")
    percent = 100 * (len(verdicts) - len(survivors)) / max(1, len(verdicts))
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} faults found, {percent:.1f} %, seed {options.seed}")
    return 0 if verdicts and percent >= options.at_least else 1


def main():
    options = parse_options()
    options.tree = options.tree.resolve()
    copy = trial.Copy(options.tree / "build" / "mutate", options.jobs)
    copy.folder.mkdir(parents=True, exist_ok=True)
    plant.plant(options.tree, copy.folder, [])
    copy.configure()
    faults = draw(options, copy)
    if options.list:
        for each in faults:
            print(f"{each.number:4} {each.place.title}\n       becomes: {' '.join(each.place.mutated.split())}")
        return 0
    trials, faults = build(options, copy, faults)
    faults = [each for each in faults if not options.only or each.number in options.only]
    failed = trials.measure(options.jobs)
    verdicts = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for each in concurrent.futures.as_completed([pool.submit(trials.judge, fault) for fault in faults]):
            verdict = each.result()
            verdicts.append(verdict)
            say(f"{len(verdicts)} of {len(faults)}: {'found' if verdict.found else 'SURVIVES'}, {verdict.seconds:.1f} s: "
                f"{verdict.fault.place.title[:150]}: {verdict.why}")
    return report(sorted(verdicts, key=lambda each: each.fault.number), failed, options)


if __name__ == "__main__":
    sys.exit(main())
