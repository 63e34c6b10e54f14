"""Compares the table of http/tests/http_corpus.py with other servers: compare.py NAME COMMAND [NAME COMMAND...]

Each COMMAND reads messages and prints the requests that its server has seen: see node.mjs. The report has the differences
of each server. Exits with 1 if eddy accepts a request that two of the others accept with another body or target, or if a
server frames the request after an accepted one differently.
"""

import json
import pathlib
import re
import shlex
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "http" / "tests"))
from http_corpus import corpus  # noqa: E402


def accepted(expected):
    """Returns the complete requests in an expectation of the table: [(method, target, body), ...]."""
    found = re.findall(r'(?:^| \| )([A-Z]+) (\S+) 1\.[01] "((?:[^"])*)"(?: close| continue)?(?= \| |$)', expected)
    return [(method, target, body.replace("\\r", "\r").replace("\\n", "\n")) for method, target, body in found]


def path_of(target):
    """eddy gives its services the path of an absolute target; some servers give the whole one."""
    path = re.sub(r"^https?://[^/?]*", "", target, flags=re.I)
    return path if path.startswith("/") or path == "*" else "/" + path


def differences(ours, theirs):
    """Returns the first request that both accept in different forms, or None."""
    for mine, other in zip(ours, theirs):
        method, target, body = other
        if body is None:  # the other server has refused the body
            return None
        if (method, path_of(target), body) != (mine[0], path_of(mine[1]), mine[2]):
            return f"eddy {mine}, other {tuple(other)}"
    return None


messages = list(corpus())
lines = "".join(message.hex() + "\n" for _, message, _ in messages)
failed = 0
different = [[] for _ in messages]
for name, command in zip(sys.argv[1::2], sys.argv[2::2]):
    run = subprocess.run(shlex.split(command), input=lines, stdout=subprocess.PIPE, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if len(answers) != len(messages):
        sys.exit(f"{name}: {len(answers)} answers to {len(messages)} messages")
    same = stricter = laxer = 0
    for index, ((_, _, expected), theirs) in enumerate(zip(messages, answers)):
        ours = accepted(expected)
        complete = [one for one in theirs if one[2] is not None]
        difference = differences(ours, theirs)
        if difference:
            different[index].append(f"{name}: {difference}")
        elif len(complete) > len(ours):
            laxer += 1
        elif len(complete) < len(ours):
            stricter += 1
        else:
            same += 1
    count = sum(1 for all in different if any(text.startswith(f"{name}: ") for text in all))
    print(f"{name}: {len(messages)} messages, {same} the same, {laxer} accepted only by it, {stricter} refused only by it, "
          f"{count} framed differently")
for (title, message, expected), found in zip(messages, different):
    if not found:
        continue
    print(f"{'DIFFERENT' if len(found) > 1 else 'different'}: {title}: {message!r}")
    print("".join(f"    {text}\n" for text in found), end="")
    failed += len(found) > 1
print(f"{failed} messages that eddy accepts and that two of the others frame differently")
sys.exit(1 if failed else 0)
