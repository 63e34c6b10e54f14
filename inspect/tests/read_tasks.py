#!/usr/bin/env python3
"""Prints the tasks of the process PID as `eddy tree` does. Written from docs/format.md only, as a check of that page."""
import re
import struct
import sys

FIELDS = ("task_next task_ops task_id task_spawned_at task_root task_started running complete notified cancelled "
          "ops_name ops_work ops_shape frame_at frame_outcome frame_where leaf_ops leaf_waiter leaf_future socket_fd "
          "permits_word mutex_holder scope_first scope_next scope_task string_data string_size").split()
TEXTS = ["{type}", "{type}", "a timer", "data from{fd}", "room to write to{fd}", "a mutex{at}{holder}",
         "a read lock{at}{holder}", "a write lock{at}{holder}", "a semaphore{at}{permits}", "room in a channel{at}",
         "a message from a channel{at}", "the value of a oneshot{at}", "a notification{at}", "a new value of a watch{at}",
         "the end of {task}", "a task of a set{at}", "the children of a scope", "blocking work{at}",
         "the tasks of a local set{at}", "any wake-up", "the first of {count}:", "all of {count}:"]


class Program:
    def __init__(self, pid):
        self.pid = pid
        self.memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
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
                if data[at:at + 16] != b"eddy.debug table" or self.number(begin + at + 32) != begin + at:
                    continue
                assert struct.unpack_from("<3H", data, at + 16)[::2] == (1, 8)
                self.registry = self.number(begin + at + 40)
                return dict(zip(FIELDS, struct.unpack_from("<27H", data, at + 48)))
        sys.exit("this process contains no eddy")

    def at(self, base, field, size=8):
        return self.number(base + self.table[field], size)

    def place(self, at):
        file, function, line = struct.unpack("<QQI", self.read(at, 20))
        text = re.sub(r"\{anonymous\}::|\(anonymous namespace\)::", "", self.text(function))
        name = re.sub(r"\(.*", "", text).split(" ")[-1] + ("::<lambda>" if "<lambda" in text else "")
        return name, f"{self.text(file)}:{line}"

    def executors(self):
        at = self.number(self.registry + 8)
        while at:
            following, kind, lists, number, ring, _, _, stride, *states = struct.unpack("<QIIQQQQQII", self.read(at, 64))
            yield kind, number, [t for i in range(lists) for t in self.tasks(ring + i * stride)], states
            at = following

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
        if kind == 2:
            return frames + [(depth, "waits for any wake-up")]
        ops = self.at(at, "leaf_ops")
        leaf = self.wait(self.number(ops + 8), self.at(at, "leaf_future"), depth, details)
        return frames + [(depth, "waits for " + leaf[0][1])] + leaf[1:]

    def work(self, task, details):
        ops, root = self.at(task, "task_ops"), self.at(task, "task_root")
        shape = self.at(ops, "ops_shape")
        if not root and not shape:
            return [(2, "a future")]
        return self.stack(root, 2, details) if root else self.wait(shape, task + self.at(ops, "ops_work", 4), 2, details)

    def wait(self, shape, future, depth, details):
        name, kind, count, offset, children = struct.unpack("<QHHIQ", self.read(shape, 24))
        lines, found = [], 0
        for i in range(count):
            of, label, where, alive, alive_is, is_at, stride = struct.unpack("<QQ5I", self.read(children + 40 * i, 36))
            starts = [future + where if is_at == 0 else self.number(future + where)]
            if is_at == 2:
                starts = range(starts[0], self.number(future + where + 8), stride)
            for start in starts:
                outer = start if is_at == 2 else future
                if alive != 0xffffffff and self.number(outer + alive, 1) != alive_is:
                    continue
                found += 1
                lines += [(depth + 1, self.text(label) + ":")] if label else []
                below = depth + (2 if label else 1)
                is_stack = self.number(of + 8, 2) == 1
                lines += (self.stack(self.number(start + self.number(of + 12, 4)), below, details) if is_stack
                          else self.wait(of, start, below, details))
        word = self.number(future + offset) if kind not in (0, 19, 20, 21) else 0
        return [(depth, TEXTS[kind].format(**self.words(kind, word, name, found, details)))] + lines

    def words(self, kind, word, name, count, details):
        words = dict(type=self.text(name), count=count, at="", holder="", permits="", fd=" a descriptor", task="a task")
        if not details:
            return words
        words["at"] = f" at {word:#x}"
        if kind in (3, 4):
            words["fd"] = f" descriptor {self.at(word, 'socket_fd', 4)}"
        if kind in (5, 6, 7) and self.at(word, "mutex_holder"):
            words["holder"] = f", which task {self.at(self.at(word, 'mutex_holder'), 'task_id')} holds"
        if kind == 14:
            words["task"] = f"task {self.at(word, 'task_id')}"
        return words

    def print_group(self, status, spawned_at, lines, group):
        ids = [self.at(task, "task_id") or hex(task) for task in group]
        title = f"{len(group)} tasks, {status}: {', '.join(map(str, ids[:5]))}{', ...' if len(ids) > 5 else ''}"
        if len(group) == 1:
            name = group[0] + self.number(self.at(group[0], "task_ops") + self.table["ops_name"], 4)
            text = self.read(self.at(name, "string_data"), self.at(name, "string_size")).decode() if name != group[0] else ""
            title = f"task {'at ' if isinstance(ids[0], str) else ''}{ids[0]}{f' {chr(34)}{text}{chr(34)}' if text else ''}, {status}"
            lines = lines if status == "running" else self.work(group[0], True)
        print(f"  {title}, spawned at {self.place(spawned_at)[1]}")
        for depth, line in lines:
            print("  " * depth + line)


program = Program(int(sys.argv[1]))
for executor_kind, number, tasks, state_offsets in program.executors():
    groups = {}
    for task in tasks:
        state, remote = (program.number(task + offset) for offset in state_offsets)
        if state & program.table["complete"]:
            continue
        running, queued = state & program.table["running"], (state | remote) & program.table["notified"]
        stack = [(2, "is being polled")] if running else program.work(task, False)
        key = ("running" if running else "queued" if queued else "waits", program.at(task, "task_spawned_at"), tuple(stack))
        groups.setdefault(key, []).append(task)
    print(f"{('pool', 'event loop', 'local set')[executor_kind]} {number}, {sum(map(len, groups.values()))} tasks")
    for key, group in sorted(groups.items(), key=lambda one: -len(one[1])):
        program.print_group(*key, group)
