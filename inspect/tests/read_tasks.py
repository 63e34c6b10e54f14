#!/usr/bin/env python3
"""Prints the tasks of the process PID as `eddy tree` does. Written from docs/format.md only, as a check of that page."""
import pathlib, re, struct, sys, time

FIELDS = ("task_next task_ops task_id task_spawned_at task_root task_started running complete notified cancelled "
          "ops_name ops_work ops_shape frame_at frame_outcome frame_where leaf_ops leaf_waiter leaf_future socket_fd "
          "permits_word scope_first scope_next scope_task string_data string_size").split()
PAGE = (pathlib.Path(__file__).parent.parent / "docs/format.md").read_text()
KINDS = re.findall(r'{wait_kind::(\w+), wait_word::(\w+), "(.*)"}', PAGE)


class Program:
    def __init__(self, pid):
        self.pid, self.memory = pid, open(f"/proc/{pid}/mem", "rb", buffering=0)
        self.table = self.find_table()

    def read(self, at, size):
        self.memory.seek(at)
        return self.memory.read(size)

    def number(self, at, size=8):
        return int.from_bytes(self.read(at, size), "little")

    def text(self, at):
        return self.read(at, 512).split(b"\0")[0].decode() if at else ""

    def find_table(self):
        for line in open(f"/proc/{self.pid}/maps"):
            begin, end, rights, path = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
            begin, end = int(begin, 16), int(end, 16)
            data = self.read(begin, end - begin) if rights.startswith("rw") and path.startswith("/") else b""
            for at in range(0, len(data), 128):
                if data[at:at + 16] == b"eddy.debug table" and self.number(begin + at + 32) == begin + at:
                    assert struct.unpack_from("<3H", data, at + 16)[::2] == (1, 8)
                    self.registry = self.number(begin + at + 40)
                    return dict(zip(FIELDS, struct.unpack_from("<26H", data, at + 48)))
        sys.exit("this process contains no eddy")

    def at(self, base, field, size=8):
        return self.number(base + self.table[field], size)

    def place(self, at):
        file, function, line = struct.unpack("<QQI", self.read(at, 20))
        text = re.sub(r"\{anonymous\}::|\(anonymous namespace\)::", "", self.text(function))
        of_lambda = "::<lambda>" if re.search(r"<lambda|\(anonymous class\)", text) else ""
        return re.sub(r"\(.*", "", text).split(" ")[-1].lstrip("*&") + of_lambda, f"{self.text(file)}:{line}"

    def executors(self):
        for at in reversed([*self.nodes(self.number(self.registry + 8), 0)]):  # the oldest first
            _, kind, lists, number, ring, _, _, stride, *states = struct.unpack("<QIIQQQQQII", self.read(at, 64))
            yield kind, number, [t for i in range(lists) for t in self.tasks(ring + i * stride)], states

    def tasks(self, ring):
        at = ring
        while (at := self.at(at, "task_next")) != ring:
            yield at

    def stack(self, root, depth, details):
        position = self.at(root, "frame_at") if root else 0
        kind, at = position & 3, position & ~3
        if kind == 3 or (at == 0 and kind < 2):
            return [(depth, "is being polled" if kind == 3 else "not polled yet")]
        frame = self.at(at, "leaf_waiter") if kind == 1 else at
        frames = [(depth, "  ".join(self.place(self.at(frame, "frame_where"))))]
        while frame != root:
            frame = self.number(self.at(frame, "frame_outcome") - 8)
            frames.insert(0, (depth, "  ".join(self.place(self.at(frame, "frame_where")))))
        return frames + ([(depth, "waits for any wake-up")] if kind == 2 else self.wait(self.number(self.at(at, "leaf_ops") + 8), self.at(at, "leaf_future"), depth, details, "waits for "))

    def work(self, task, details):
        ops, root = self.at(task, "task_ops"), self.at(task, "task_root")
        if root or not (shape := self.at(ops, "ops_shape")):
            return self.stack(root, 2, details) if root else [(2, "a future")]
        return self.wait(shape, task + self.at(ops, "ops_work", 4), 2, details)

    def wait(self, shape, future, depth, details, prefix=""):
        (name, kind, count, is_inside, offset, children), found = struct.unpack("<QHBBIQ", self.read(shape, 24)), []
        _, word_name, text = KINDS[kind]
        if word_name == "root":
            return self.stack(self.number(future + offset), depth, details)
        for i in range(count):
            of, label, where, alive, alive_is, is_at, stride, in_node = struct.unpack("<QQ6I", self.read(children + 40 * i, 40))
            first = future + where if is_at == 0 else self.number(future + where)
            for start in self.nodes(first, stride) if is_at == 3 else range(first, self.number(future + where + 8), stride) if is_at == 2 else [first]:
                if start and (alive == 0xffffffff or self.number((start if is_at > 1 else future) + alive, 1) == alive_is):
                    found.append((of or self.number(start + stride), label, start + in_node))
        if word_name == "first_child" and found:
            return self.wait(found[0][0], found[0][2], depth, details, prefix)
        word = future + offset if is_inside or word_name in ("nothing", "children", "first_child") else self.number(future + offset)
        if word_name == "task" and (work := self.at(self.at(word, "task_ops"), "ops_shape")) and KINDS[self.number(work + 8, 2)][0] == "blocking":
            word_name, text = next(row[1:] for row in KINDS if row[0] == "blocking")
        line = (depth, prefix + text.format(self.word_text(word_name, word, len(found), details), type=self.text(name)))
        return sum(([(depth + 1, self.text(label) + ":")] * bool(label) + self.wait(of, start, depth + (2 if label else 1), details)
                    for of, label, start in found), [line])

    def word_text(self, word_name, word, count, details):
        if word_name == "children":
            return f" {count}:"
        if word_name in ("socket", "descriptor"):
            return " a descriptor" if not details else f" descriptor {self.at(word, 'socket_fd', 4) if word_name == 'socket' else self.number(word, 4)}"
        if word_name == "task":
            return f" task {self.id(word)}" if details else " a task"
        if not details or word_name in ("nothing", "deadline"):
            return ""
        return self.children(word) if word_name == "scope" else f" {self.number(word, 4)}" if word_name == "process" else f" at {word:#x}"

    def nodes(self, at, offset):
        while at:
            yield at
            at = self.number(at + offset)

    def children(self, scope):
        tasks = [self.at(one, "scope_task") for one in self.nodes(self.at(scope, "scope_first") & ~3, self.table["scope_next"])]
        return "" if not tasks else f", task {self.id(tasks[0])}" if len(tasks) == 1 else f", {self.ids('', tasks)}"

    def id(self, task):
        return str(self.at(task, "task_id") or hex(task))

    def ids(self, status, tasks):
        return f"{len(tasks)} tasks{status}: {', '.join(map(self.id, tasks[:5]))}{', ...' if len(tasks) > 5 else ''}"

    def age(self, tasks):
        s = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - (started := min(self.at(task, "task_started") >> 24 << 20 for task in tasks))) / 1e9
        text = f"{s * 1e3:.0f} ms" if s < 1 else f"{s:.1f} s" if s < 100 else f"{s / 60:.0f} min" if s < 6000 else f"{s / 3600:.1f} h"
        return f", {'the first ' * (len(tasks) > 1)}{text} ago" if started and s >= 0 else ""

    def print_group(self, status, spawned_at, lines, group):
        title, task = self.ids(f", {status}", group), group[0]
        if len(group) == 1:
            name = task + self.number(self.at(task, "task_ops") + self.table["ops_name"], 4)
            text = self.read(self.at(name, "string_data"), self.at(name, "string_size")).decode() if name != task else ""
            title = f"task {self.at(task, 'task_id') or f'at {task:#x}'}{f' {chr(34)}{text}{chr(34)}' if text else ''}, {status}"
        details = {tuple(self.work(one, True)) for one in group if lines and status != "running"}
        lines = details.pop() if len(details) == 1 else lines
        print(f"  {title}, spawned at {self.place(spawned_at)[1] if spawned_at else 'an unknown place'}{self.age(group)}",
              *["  " * depth + line for depth, line in lines], sep="\n")


program = Program(int(sys.argv[1]))
for executor_kind, number, tasks, state_offsets in program.executors():
    groups = {}
    for task in tasks:
        state, remote = (program.number(task + offset) for offset in state_offsets)
        running, queued = state & program.table["running"], (state | remote) & program.table["notified"]
        if not state & program.table["complete"]:
            stack = [] if executor_kind == 3 else [(2, "is being polled")] if running else program.work(task, False)
            key = ("running" if running else "queued" if queued else "waits", program.at(task, "task_spawned_at"), *stack)
            groups.setdefault(key, []).append(task)
    if (count := sum(map(len, groups.values()))) or executor_kind != 3:
        print(f"{('pool', 'event loop', 'local set', 'blocking work of pool')[executor_kind]} {number}, {count} task{'s' * (count != 1)}")
    for key, group in sorted(groups.items(), key=lambda one: -len(one[1])):
        program.print_group(*key[:2], key[2:], group)
