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
# The name of each kind of waits, what is at the offset, and the text.
# code: futures/include/eddy/detail/wait_shape.hpp, kinds of waits
KINDS = re.findall(r'{wait_kind::(\w+), wait_word::(\w+), "(.*)"}', """
{wait_kind::other, wait_word::nothing, "{type}"},
{wait_kind::frames, wait_word::root, "a coroutine"},
{wait_kind::timer, wait_word::deadline, "a timer{}"},
{wait_kind::readable, wait_word::socket, "data from{}"},
{wait_kind::writable, wait_word::socket, "room to write to{}"},
{wait_kind::mutex, wait_word::lock, "a mutex{}"},
{wait_kind::read_lock, wait_word::lock, "a read lock{}"},
{wait_kind::write_lock, wait_word::lock, "a write lock{}"},
{wait_kind::semaphore, wait_word::permits, "a semaphore{}"},
{wait_kind::channel_send, wait_word::channel, "room in a channel{}"},
{wait_kind::channel_receive, wait_word::object, "a message from a channel{}"},
{wait_kind::oneshot, wait_word::object, "the value of a oneshot{}"},
{wait_kind::notify, wait_word::object, "a notification{}"},
{wait_kind::watch, wait_word::object, "a new value of a watch{}"},
{wait_kind::join, wait_word::task, "the end of{}"},
{wait_kind::task_set, wait_word::object, "a task of a set{}"},
{wait_kind::scope, wait_word::scope, "the children of a scope{}"},
{wait_kind::blocking, wait_word::object, "blocking work{}"},
{wait_kind::local_set, wait_word::object, "the tasks of a local set{}"},
{wait_kind::any_wakeup, wait_word::nothing, "any wake-up"},
{wait_kind::any_of, wait_word::children, "the first of{}"},
{wait_kind::all_of, wait_word::children, "all of{}"},
{wait_kind::inner, wait_word::first_child, "{type}"},
{wait_kind::object, wait_word::object, "{type}{}"},
{wait_kind::data_from, wait_word::descriptor, "data from{}"},
{wait_kind::room_in, wait_word::descriptor, "room to write to{}"},
{wait_kind::readiness, wait_word::descriptor, "the readiness of{}"},
{wait_kind::named_fd, wait_word::descriptor, "{type} of{}"},
{wait_kind::child_process, wait_word::process, "child process{}"},
""")
# The limits of walks over memory that may be damaged, as those of `eddy tree`.
MOST_EXECUTORS = 65_536
MOST_LISTS = 16_384
MOST_TASKS = 4_194_304
MOST_FRAMES = 16_384
MOST_LEVELS = 32
MOST_BRANCHES = 10_000


def printable(text):
    """Escapes what a terminal may take for a command."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def followed(first, following, most, end=0):
    """Yields addresses up to `end`, and at most so many. A cycle is found by a mark at each 2^n-th (Brent, 1980)."""
    at, mark = first, None
    for count in range(1, most + 1):
        if at in (end, mark):
            return
        yield at
        if count & (count - 1) == 0:
            mark = at
        at = following(at)


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
        found = b""
        while at and len(found) < 256 and b"\0" not in found:
            size = 128 - at % 128  # in one page
            found, at = found + self.read(at, size), at + size
        return printable(found.split(b"\0")[0][:256].decode(errors="replace"))

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
        def following(link):
            return self.field(link, "task_next")

        lists_left = MOST_LISTS
        for executor in reversed([*followed(self.number(self.registry + 8), self.number, MOST_EXECUTORS)]):
            _, _, lists, _, ring, _, _, stride, state, remote = struct.unpack("<QIIQQQQQII", self.read(executor, 64))
            for head in (ring + i * stride for i in range(min(lists, lists_left))):
                for task in followed(following(head), following, MOST_TASKS, head):
                    word = self.number(task + state)
                    if not word & self.offset["complete"]:
                        yield task, word, self.number(task + remote)
            lists_left -= min(lists, lists_left)

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
        return printable(self.read(self.field(task + where, "string_data"), size).decode(errors="replace"))

    def frames(self, root, most=MOST_FRAMES):
        """Returns the places of the frames, the innermost first, and the leaf or None."""
        at = self.field(root, "frame_at") if root else 0
        kind, to = at & 3, at & ~3
        if to == 0 or kind in (0, 3):
            return [], None
        frame, places = self.field(to, "leaf_waiter") if kind == 1 else to, []
        while len(places) < most:
            places.append(self.place(self.field(frame, "frame_where")))
            if frame == root:
                break
            frame = self.number(self.field(frame, "frame_outcome") - 8)
        return places, to if kind == 1 else None

    def waits_for(self, leaf):
        """Yields lines with their depth."""
        self.branches_left = MOST_BRANCHES
        yield from self.leaf(leaf, 0, 0)

    def leaf(self, leaf, depth, levels):
        ops = self.field(leaf, "leaf_ops")
        shape, future = self.number(ops + 8), self.field(leaf, "leaf_future")
        if shape and future:
            yield from self.future(shape, future, depth, levels)

    def future(self, shape, future, depth, levels):
        name, kind, count, is_inside, offset, children = struct.unpack("<QHBBIQ", self.read(shape, 24))
        _, word, text = KINDS[kind] if kind < len(KINDS) else ("", "object", "a future of an unknown kind")
        is_adaptor = word == "first_child"  # which is what the future in it is
        below = depth if is_adaptor else depth + 1
        if not is_adaptor:
            shown = text.replace("{}", self.details(word, future + offset, is_inside)).replace("{type}", self.text(name))
            yield depth, shown if "{type}" in text else f"{shown}  ({self.text(name)})"
        if levels == MOST_LEVELS:
            return
        if word == "root":
            yield from self.coroutine(self.number(future + offset), below, levels + 1)
        for i in range(count):
            child = struct.unpack("<QQ6I", self.read(children + 40 * i, 40))
            for at in self.places(child, future):
                self.branches_left -= 1
                if self.branches_left < 0:
                    yield below, "others, which are not shown"
                    return
                of, label, _, alive, alive_is, is_at, shape_at, in_node = child
                if at == 0 or alive != 0xffffffff and self.number((at if is_at > 1 else future) + alive, 1) != alive_is:
                    continue
                if label:
                    yield below, self.text(label) + ":"
                yield from self.future(of or self.number(at + shape_at), at + in_node, below, levels + 1)
                if is_adaptor:
                    return

    def places(self, child, future):
        """Returns the addresses of a child, or of the elements of an array or a list."""
        where, is_at, stride = future + child[2], child[5], child[6]
        first = where if is_at == 0 else self.number(where)
        if is_at == 2:
            return range(first, self.number(where + 8), stride or 1)
        if is_at == 3:
            return followed(first, lambda node: self.number(node + stride), MOST_BRANCHES)
        return [first]

    def coroutine(self, root, depth, levels):
        places, leaf = self.frames(root)
        self.branches_left -= len(places)
        for function, line in places:
            yield depth, f"{function} at {line}"
        if leaf is not None:
            yield from self.leaf(leaf, depth, levels)

    def details(self, word, at, is_inside):
        """Returns what a word says."""
        if word == "socket":
            return f" descriptor {self.field(at if is_inside else self.number(at), 'socket_fd', 4)}"
        if word in ("descriptor", "process"):
            return f" {'descriptor ' * (word == 'descriptor')}{self.number(at, 4)}"
        return f" task {self.field(self.number(at), 'task_id')}" if word == "task" else ""


class info_eddy_tasks(gdb.Command):
    """Lists the tasks of a program that uses eddy: id, status, age, name, and where each is suspended."""

    def __init__(self):
        super().__init__("info eddy tasks", gdb.COMMAND_STATUS)

    def invoke(self, arguments, from_tty):
        its = program()
        for task, *words in its.tasks():
            status = its.status(*words)
            places, _ = its.frames(its.field(task, "task_root"), 1) if status != "running" else ([], None)
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
