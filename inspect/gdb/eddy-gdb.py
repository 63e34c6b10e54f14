# SPDX-License-Identifier: MIT
"""Commands of gdb for programs that use eddy, in a running process and in a core file:

    info eddy tasks     one line per task
    eddy bt ID          the coroutine frames of a task, and what it waits for

They read the debug table (inspect/docs/format.md), so the program needs no debug information. gdb must know its file, which
may be stripped.
"""
import re
import struct
import time

import gdb

FIELDS = ("task_next task_ops task_id task_spawned_at task_root task_started running complete notified cancelled "
          "ops_name ops_work ops_shape frame_at frame_outcome frame_where leaf_ops leaf_waiter leaf_future socket_fd "
          "permits_word scope_first scope_next scope_task string_data string_size").split()
ABSENT = 65535
KINDS = ("a future", "a coroutine", "a timer", "data from a descriptor", "room to write to a descriptor", "a mutex",
         "a read lock", "a write lock", "a semaphore", "room in a channel", "a message from a channel",
         "the value of a oneshot", "a notification", "a new value of a watch", "the end of a task", "a task of a set",
         "the children of a scope", "blocking work", "the tasks of a local set", "any wake-up", "the first of",
         "all of", "an adaptor", "an object", "data from descriptor", "room to write to descriptor",
         "the readiness of descriptor")
MOST_TASKS = 16_777_216
MOST_FRAMES = 16_384
MOST_LEVELS = 32


class program:
    """The memory of the selected inferior, by the offsets of its debug table."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        for at in re.findall(r"(0x\w+) - 0x\w+ is \.eddy\.debug", gdb.execute("info files", to_string=True)):
            table = int(at, 16)
            if self.read(table, 16) == b"eddy.debug table" and self.number(table + 32) == table:
                break
        else:
            raise gdb.GdbError("This program contains no eddy, or does not run yet.")
        number, _, pointer_size = struct.unpack("<3H", self.read(table + 16, 6))
        if (number, pointer_size) != (1, 8):
            version = ".".join(map(str, struct.unpack("<3H", self.read(table + 24, 6))))
            raise gdb.GdbError(f"This program uses eddy {version}, with another format. Use the commands of that version.")
        connection = getattr(self.inferior, "connection", None)
        self.is_on_this_machine = connection is not None and connection.type == "native"
        self.registry = self.number(table + 40)
        self.offset = dict(zip(FIELDS, struct.unpack("<26H", self.read(table + 48, 52))))

    def read(self, at, size):
        return bytes(self.inferior.read_memory(at, size))

    def number(self, at, size=8):
        return int.from_bytes(self.read(at, size), "little")

    def field(self, of, name, size=8):
        return self.number(of + self.offset[name], size)

    def text(self, at):
        return self.inferior.read_memory(at, 256).tobytes().split(b"\0")[0].decode(errors="replace") if at else ""

    def place(self, at):
        """Returns the name of the function and the line of a place."""
        try:
            file, function, line = struct.unpack("<QQI", self.read(at, 20))
            text = re.sub(r"\{anonymous\}::|\(anonymous namespace\)::", "", self.text(function))
            return re.sub(r"\(.*", "", text).split(" ")[-1].lstrip("*&"), f"{self.text(file)}:{line}"
        except gdb.MemoryError:
            return "", "an unknown place"

    def tasks(self):
        """Yields the address of each task, its state word, and the one that other threads change."""
        executor = self.number(self.registry + 8)
        while executor:
            executor_next, _, lists, _, ring, _, _, stride, state, remote = struct.unpack(
                "<QIIQQQQQII", self.read(executor, 64))
            for head in (ring + i * stride for i in range(lists)):
                task, count = self.field(head, "task_next"), 0
                while task != head and count < MOST_TASKS:
                    word = self.number(task + state)
                    if not word & self.offset["complete"]:
                        yield task, word, self.number(task + remote)
                    task, count = self.field(task, "task_next"), count + 1
            executor = executor_next

    def status(self, word, remote):
        if word & self.offset["running"]:
            return "running"
        return "queued" if (word | remote) & self.offset["notified"] else "waits"

    def age(self, task):
        """Returns the time since the spawn; "-" if it is not known, for example in a core file."""
        if not self.is_on_this_machine or self.offset["task_started"] == ABSENT:
            return "-"
        started = self.field(task, "task_started") >> 24 << 20
        age = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - started) / 1e9
        if started == 0 or age < 0:
            return "-"
        return (f"{age * 1e6:.0f} us" if age < 1e-3 else f"{age * 1e3:.0f} ms" if age < 1 else
                f"{age:.1f} s" if age < 100 else f"{age / 60:.0f} min" if age < 6000 else f"{age / 3600:.1f} h")

    def name(self, task):
        where = self.number(self.field(task, "task_ops") + self.offset["ops_name"], 4)
        if where == 0 or self.offset["string_data"] == ABSENT:
            return ""
        size = min(self.field(task + where, "string_size"), 256)
        return self.read(self.field(task + where, "string_data"), size).decode(errors="replace")

    def frames(self, root):
        """Returns the places of the frames, the innermost first, and the leaf or None."""
        at = self.field(root, "frame_at") if root else 0
        kind, to = at & 3, at & ~3
        if to == 0 or kind in (0, 3):
            return [], None
        frame, places = self.field(to, "leaf_waiter") if kind == 1 else to, []
        while len(places) < MOST_FRAMES:
            places.append(self.place(self.field(frame, "frame_where")))
            if frame == root:
                break
            frame = self.number(self.field(frame, "frame_outcome") - 8)
        return places, to if kind == 1 else None

    def waits_for(self, leaf):
        """Yields lines with their depth."""
        ops = self.field(leaf, "leaf_ops")
        shape, future = self.number(ops + 8), self.field(leaf, "leaf_future")
        if shape and future:
            yield from self.future(shape, future, 0)

    def future(self, shape, future, level):
        name, kind, count, is_inside, offset, children = struct.unpack("<QHBBIQ", self.read(shape, 24))
        kind_text = KINDS[kind] if kind < len(KINDS) else "a future of an unknown kind"
        below = level if kind == 22 else level + 1  # an adaptor is what the future in it is
        if kind != 22:
            yield level, f"{kind_text}{self.details(kind, future + offset, is_inside)}  ({self.text(name)})"
        if kind == 1:
            yield from self.coroutine(self.number(future + offset), below)
        for i in range(count if level < MOST_LEVELS else 0):
            of, label, where, alive, alive_is, is_at, stride, in_node = struct.unpack("<QQ6I", self.read(children + 40 * i, 40))
            first = future + where if is_at == 0 else self.number(future + where)
            places = (range(first, self.number(future + where + 8), stride) if is_at == 2
                      else self.nodes(first, stride) if is_at == 3 else [first])
            for at in places:
                if at == 0:
                    continue
                if alive != 0xffffffff and self.number((at if is_at > 1 else future) + alive, 1) != alive_is:
                    continue
                if label:
                    yield below, self.text(label) + ":"
                yield from self.future(of or self.number(at + stride), at + in_node, below)
                if kind == 22:
                    return

    def nodes(self, node, following):
        for _ in range(MOST_FRAMES):
            if node == 0:
                return
            yield node
            node = self.number(node + following)

    def coroutine(self, root, level):
        places, leaf = self.frames(root)
        for function, line in places:
            yield level, f"{function} at {line}"
        if leaf is not None:
            for depth, text in self.waits_for(leaf):
                yield level + depth, text

    def details(self, kind, at, is_inside):
        if kind in (3, 4):
            return f" {self.field(at if is_inside else self.number(at), 'socket_fd', 4)}"
        if kind > 23:
            return f" {self.number(at, 4)}"
        return f" {self.field(self.number(at), 'task_id')}" if kind == 14 else ""


class info_eddy_tasks(gdb.Command):
    """Lists the tasks of a program that uses eddy: id, status, age, name, and where each is suspended."""

    def __init__(self):
        super().__init__("info eddy tasks", gdb.COMMAND_STATUS)

    def invoke(self, arguments, from_tty):
        its = program()
        for task, *words in its.tasks():
            status = its.status(*words)
            places, _ = its.frames(its.field(task, "task_root")) if status != "running" else ([], None)
            function, line = places[0] if places else ("spawned", its.place(its.field(task, "task_spawned_at"))[1])
            print(f"{its.field(task, 'task_id'):8} {status:7} {its.age(task):>8} {its.name(task):16} {function} at {line}")


class eddy_bt(gdb.Command):
    """Shows the coroutine frames of a task, and what it waits for: eddy bt ID."""

    def __init__(self):
        super().__init__("eddy bt", gdb.COMMAND_STACK)

    def invoke(self, arguments, from_tty):
        if not arguments.strip().isdigit():
            raise gdb.GdbError("Usage: eddy bt ID, with an id of `info eddy tasks`")
        its = program()
        for task, *words in its.tasks():
            if its.field(task, "task_id") != int(arguments):
                continue
            places, leaf = its.frames(its.field(task, "task_root"))
            if its.status(*words) == "running":
                print("The task is being polled: look at the native stacks.")
            for number, (function, line) in enumerate(places):
                print(f"#{number:<3} {function} at {line}")
            print(f"#{len(places):<3} spawned at {its.place(its.field(task, 'task_spawned_at'))[1]}")
            for level, text in its.waits_for(leaf) if leaf is not None else []:
                print(("waits for " if level == 0 else "  " * (level + 1)) + text)
            return
        raise gdb.GdbError(f"There is no task {arguments.strip()}.")


gdb.Command("info eddy", gdb.COMMAND_STATUS, prefix=True)
gdb.Command("eddy", gdb.COMMAND_STACK, prefix=True)
info_eddy_tasks()
eddy_bt()
