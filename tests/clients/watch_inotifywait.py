#!/usr/bin/env python3
"""Compares fs::watch() with inotifywait(1): both watch a directory while random changes are made in it.

    tests/clients/watch_inotifywait.py PRINT_CHANGES [STEPS [SEED]]

After each change, both have to report files that mark the end of the step. Up to that, both must have reported the same
paths, each with the same kinds of changes. There is one exception, which the documentation of watch() names: what is in a
directory that appears is reported as created, and inotifywait does not do that. inotifywait begins again after a move of a
directory, because it continues to report old paths then.

Then both watch a file, by its name and by a symbolic link, while it is changed by these names and by another one. Exits with 1
after a difference.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile

KINDS = {"CREATE": "here", "MOVED_TO": "here", "DELETE": "gone", "MOVED_FROM": "gone", "MODIFY": "modified",
         "CLOSE_WRITE": "closed", "ATTRIB": "metadata"}

# fs::watch() reads a new directory between two changes, and finds more directories then.
MARKS = 8


class Inotifywait:
    """The reports of inotifywait, as pairs of a path and a kind."""

    def __init__(self, base):
        command = ["inotifywait", "-m", "-r", "--format", "%e\t%w%f", "-e", "create,modify,close_write,attrib,delete,move",
                   base]
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "established" not in (line := self.program.stderr.readline()):
            if not line:
                sys.exit("inotifywait does not start")

    def end(self):
        self.program.kill()
        self.program.communicate()

    def next(self):
        line = self.program.stdout.readline()
        if not line:
            sys.exit(f"inotifywait has ended: {self.program.stderr.read()}")
        events, path = line.rstrip("\n").split("\t")
        return {(path.rstrip("/"), KINDS[event]) for event in events.split(",") if event in KINDS}


class Eddy:
    """The same of fs::watch()."""

    def __init__(self, program, base):
        self.program = subprocess.Popen([program, base], stdout=subprocess.PIPE, text=True)
        if self.program.stdout.readline() != "watching\n":
            sys.exit("fs::watch() does not start")

    def end(self):
        self.program.kill()
        self.program.communicate()

    def next(self):
        kind, path, before = self.program.stdout.readline().rstrip("\n").split("\t")
        if kind == "renamed":
            return {(before, "gone"), (path, "here")}
        return {(path, {"created": "here", "removed": "gone"}.get(kind, kind))}


def reports_until(program, mark):
    found = set()
    while (mark, "closed") not in (reports := program.next()):
        found |= reports
    return {(path, kind) for path, kind in found if not os.path.basename(path).startswith("mark")}


class Folder:
    """A directory in which a step makes a random change."""

    def __init__(self, base, outside, dice):
        self.base, self.outside, self.dice = base, outside, dice
        self.has_moved_directory = False

    def below(self):
        found = []
        for folder, directories, files in os.walk(self.base):
            found += [os.path.join(folder, name) for name in directories + files]
        return found

    def new(self):
        folders = [self.base] + [path for path in self.below() if os.path.isdir(path) and not os.path.islink(path)]
        return os.path.join(self.dice.choice(folders), self.dice.choice("abcdef"))

    def step(self):
        self.has_moved_directory = False
        try:
            self.change()
        except OSError:  # a name is taken, or has become that of something else
            pass

    def change(self):
        dice, new = self.dice, self.new()
        old = dice.choice(self.below() or [new])
        match dice.randrange(15):
            case 0 | 1:
                with open(new, "w") as file:
                    file.write("text")
            case 2:
                with open(old, "a") as file:
                    file.write("text")
            case 3:
                os.truncate(old, 1)
            case 4:
                os.chmod(old, dice.choice([0o700, 0o750]))
            case 5:
                os.utime(old)
            case 6:
                os.mkdir(new)
            case 7:
                os.makedirs(os.path.join(new, "x", "y"))
            case 8 | 9:
                self.rename(old, new)
            case 10:
                os.link(old, new)
            case 11:
                os.symlink("nothing", new)
            case 12:
                os.remove(old)
            case 13 if os.path.isdir(old):
                shutil.rmtree(old)
            case 14 if dice.random() < 0.5:
                self.rename(old, os.path.join(self.outside, str(dice.random())))
            case _:
                inside = os.path.join(self.outside, str(dice.random()))
                os.makedirs(os.path.join(inside, "sub"))
                self.rename(inside, new)

    def rename(self, old, new):
        os.rename(old, new)
        self.has_moved_directory = os.path.isdir(new)


def is_found_in_new_directory(path, expected, found):
    """Whether fs::watch() found what a directory had when it appeared, perhaps twice, with a removal between. The directory
    may have replaced an empty one, which was removed."""
    appeared = [above for above, kind in expected if kind == "here"]
    return (path, "here") in found and any((path + "/").startswith(above + "/") for above in appeared)


def pass_marks(base, step, reporters):
    """Returns what each one has reported until the last mark."""
    found = [set() for _ in reporters]
    for number in range(MARKS):
        mark = os.path.join(base, f"mark{step}.{number}")
        open(mark, "w").close()
        for reports, reporter in zip(found, reporters):
            reports |= reports_until(reporter, mark)
        os.remove(mark)
    return found


def append(path):
    with open(path, "a") as file:
        file.write("text")


def touch(path):
    open(path, "a").close()


def compare_files(program, top, dice, steps):
    """Changes a file by each of its names. After a change, another one of a different kind marks the end of the step."""
    real, link, second = (os.path.join(top, name) for name in ("real/c", "cfg/link", "other/second"))
    for path in (real, link, second):
        os.mkdir(os.path.dirname(path))
    append(real)
    os.symlink("../real/c", link)
    os.link(real, second)
    changes = [(append, "metadata"), (lambda path: os.truncate(path, 1), "closed"), (os.utime, "closed"),
               (lambda path: os.chmod(path, 0o640), "closed")]
    for watched in (real, link):
        reporters = [Inotifywait(watched), Eddy(program, watched)]
        try:
            for step in range(steps):
                change, mark = dice.choice(changes)
                by = dice.choice([real, link, second])
                change(by)
                os.chmod(real, 0o600) if mark == "metadata" else touch(real)
                found = [set(), set()]
                for reports, reporter in zip(found, reporters):
                    while (watched, mark) not in reports:
                        reports |= reporter.next()
                if found[0] != found[1]:
                    sys.exit(f"{watched}, step {step}, by {by}: inotifywait: {found[0]}; fs::watch(): {found[1]}")
        finally:
            for each in reporters:
                each.end()
    print(f"{2 * steps} changes of a file are the same")


def main():
    if not shutil.which("inotifywait"):
        sys.exit("inotifywait is not installed (Debian: inotify-tools)")
    program = os.path.realpath(sys.argv[1])
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"watch_inotifywait.py: {steps} steps, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as top:
        base, outside = os.path.join(top, "base"), os.path.join(top, "outside")
        os.mkdir(base), os.mkdir(outside)
        reporters = [Inotifywait(base), Eddy(program, base)]
        try:
            folder = Folder(base, outside, random.Random(seed))
            compared = 0
            for step in range(steps):
                folder.step()
                expected, found = pass_marks(base, step, reporters)
                # Of a directory that was replaced: its own watch says that it has one name less.
                expected -= {(path, "metadata") for path, kind in expected if kind == "here"} - found
                extra = {(path, kind) for path, kind in found - expected
                         if kind not in ("here", "gone") or not is_found_in_new_directory(path, expected, found)}
                if extra or expected - found:
                    sys.exit(f"step {step}: only inotifywait: {expected - found}; only fs::watch(): {extra}")
                compared += len(expected)
                if folder.has_moved_directory:
                    reporters[0].end()
                    reporters[0] = Inotifywait(base)
            print(f"{compared} changes are the same")
        finally:
            for each in reporters:
                each.end()
        compare_files(program, top, random.Random(seed), steps // 10)


if __name__ == "__main__":
    main()
