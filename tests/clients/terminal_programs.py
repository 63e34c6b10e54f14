#!/usr/bin/env python3
"""Programs that need a terminal run in a process::terminal: terminal_programs.py IN_TERMINAL"""
import os
import re
import subprocess
import sys
import tempfile
import threading

LIMIT = 60


class Terminal:
    """A program in a terminal."""

    def __init__(self, *command, **variables):
        self.process = subprocess.Popen([sys.argv[1], *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, "TERM": "xterm", **variables})
        self.watchdog = threading.Timer(LIMIT, self.process.kill)
        self.watchdog.start()
        self.shown = b""

    def type(self, keys):
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def wait_for(self, pattern):
        while not re.search(pattern, self.shown):
            some = os.read(self.process.stdout.fileno(), 65536)
            assert some, (pattern, self.shown)
            self.shown += some

    def end(self, code=0):
        self.shown += self.process.stdout.read()
        self.process.stdin.close()
        ended = self.process.wait()
        self.watchdog.cancel()
        assert ended == code, (ended, self.shown)
        return self.shown


def check_facts():
    assert Terminal("stty", "size").end() == b"24 80\r\n"
    name = Terminal("tty").end()
    assert re.fullmatch(rb"/dev/pts/\d+\r\n", name), name
    # The process leads its session, and is in the foreground of its terminal.
    facts = Terminal("sh", "-c", "ps -o pid=,sid=,pgid=,tpgid=,stat=,tty= -p $$; tty").end().split()
    assert len(set(facts[:4])) == 1 and b"s" in facts[4] and b"+" in facts[4], facts
    assert b"/dev/" + facts[5] == facts[6], facts
    assert Terminal("sh", "-c", "exit 3").end(3) == b""


def check_bash():
    shell = Terminal("bash", "--norc", "-i", PS1="> ", TERM="dumb")
    shell.wait_for(rb"> ")
    shell.type(b"sh -c 'echo ready; exec sleep 1000'\r")
    shell.wait_for(rb"\nready\r\n")
    shell.type(b"\x1a")
    shell.wait_for(rb"Stopped")
    shell.type(b"jobs; kill -KILL %1; exec sh -c 'exit 5'\r")
    shell.end(5)


def check_vim(folder):
    path = os.path.join(folder, "text")
    with open(path, "w", encoding="utf-8") as file:
        file.write("one\ntwo\n")
    Terminal("vim", "-es", "-u", "NONE", path, "-c", "%s/o/0/g", "-c", "wq").end()
    with open(path, encoding="utf-8") as file:
        assert file.read() == "0ne\ntw0\n"
    editor = Terminal("vim", "-u", "NONE", "-N", path)
    editor.wait_for(rb"tw0")
    editor.type(b"Gothree \xe2\x98\x83\x1b")
    editor.wait_for(rb"three")
    editor.type(b":wq\r")
    editor.end()
    with open(path, encoding="utf-8") as file:
        assert file.read() == "0ne\ntw0\nthree ☃\n"


def check_expect():
    script = """
        send_user "name? "
        expect_user -re "(.*)\\n"
        send_user "hello $expect_out(1,string)\\n"
        spawn sh -c {stty size; read line; echo "<$line>"}
        expect -re {\\d+ \\d+}
        send "text\\r"
        expect "<text>"
        expect eof
        exit 4
    """
    shell = Terminal("expect", "-c", script)
    shell.wait_for(rb"name\? ")
    shell.type(b"eddy\r")
    shown = shell.end(4)
    assert b"hello eddy\r\n" in shown and b"24 80" in shown and b"<text>" in shown, shown


def check_python():
    prompt = Terminal("python3", "-c", "import getpass; print(len(getpass.getpass('secret? ')))")
    prompt.wait_for(rb"secret\? ")
    prompt.type(b"hidden\r")
    shown = prompt.end()
    assert shown == b"secret? \r\n6\r\n", shown
    screen = Terminal("python3", "-c", "import curses; print(curses.wrapper(lambda on: (on.getmaxyx(), on.getch())))")
    screen.wait_for(rb"\x1b\[\?1049h")
    screen.type(b"q")
    assert b"((24, 80), 113)\r\n" in screen.end()
    nested = Terminal("python3", "-c", "import pty, sys; sys.exit(pty.spawn(['sh', '-c', 'tty; exit 6']) >> 8)")
    assert re.fullmatch(rb"/dev/pts/\d+\r\n", nested.end(6)), nested.shown
    prompt = Terminal("python3", "-q")
    prompt.wait_for(rb">>> ")
    prompt.type(b"print(6 * 7)\r")
    prompt.wait_for(rb"\n42\r\n")
    prompt.type(b"\x04")
    prompt.end()


def main():
    check_facts()
    check_bash()
    with tempfile.TemporaryDirectory() as folder:
        check_vim(folder)
    check_expect()
    check_python()
    print("process::terminal: vim, expect, bash and CPython work in it")


if __name__ == "__main__":
    main()
