// SPDX-License-Identifier: MIT
// Processes in pseudo terminals.
// covers: P074
#include <gtest/gtest.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/byte_pattern.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/polling.hpp>
#include <support/process/children.hpp>
#include <support/system.hpp>

namespace {

namespace io = eddy::io;
namespace process = eddy::process;
using process::child;
using process::command;
using process::stdio;
using process::terminal;
using process::terminal_options;
using process::window_size;
using support::comes_true;
using support::contents_of;
using support::state_of;

command shell(std::string script) { return command("sh", "-c", std::move(script)); }

/// Returns the number of the process group in the foreground.
int foreground_of(const terminal& screen) {
    int group = 0;
    return ::ioctl(screen.native_handle(), TIOCGPGRP, &group) == 0 ? group : -1;
}

/// Reads until the text ends with `wanted`.
eddy::task<std::string> text_until(terminal& screen, std::string_view wanted) {
    std::string text;
    for (std::byte next{}; !text.ends_with(wanted);) {
        const auto count = co_await screen.read(std::span(&next, 1));
        if (!count || *count == 0) co_return text + " (the end)";
        text += static_cast<char>(next);
    }
    co_return text;
}

class ProcessTerminal : public testing::TestWithParam<unsigned> {
protected:
    terminal open(const terminal_options& options = {}) { return terminal::open(options).value(); }
    child start(terminal& screen, const command& what) {
        auto started = runs.run(screen.spawn(what));
        EXPECT_TRUE(started) << started.error().message();
        return *std::move(started);
    }
    /// Runs a program to its end, and returns what is on the screen.
    std::string shown_by(const command& what, const terminal_options& options = {}) {
        auto screen = open(options);
        const auto started = start(screen, what);
        auto text = runs.run(contents_of(screen));
        EXPECT_TRUE(runs.run(started.wait()).has_value());
        return text;
    }
    void write(terminal& screen, std::string_view keys) { EXPECT_TRUE(runs.run(screen.write_all(keys))); }
    std::string until(terminal& screen, std::string_view wanted) { return runs.run(text_until(screen, wanted)); }

    support::executor runs{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Executors, ProcessTerminal, testing::Values(0, 1, 3), support::name_of_executor);

TEST_P(ProcessTerminal, StandardStreamsAreTheTerminal) {
    const auto text = shown_by(shell("tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all >&2; ls /proc/$$/fd"));
    EXPECT_TRUE(text.starts_with("/dev/pts/")) << text;
    EXPECT_EQ(text.substr(text.find('\n') + 1), "all\r\n0  1  2\r\n") << text;
}

// covers: P075
TEST_P(ProcessTerminal, ControlsSessionOfTheProcess) {
    const auto text = shown_by(command("python3", "-c",
                                       "import os; opened = os.open('/dev/tty', os.O_RDWR)\n"
                                       "print(os.getsid(0) == os.getpid() == os.tcgetpgrp(opened) == os.getpgrp())\n"
                                       "print(os.major(os.fstat(opened).st_rdev), os.ttyname(0) == os.ttyname(2))"));
    EXPECT_EQ(text, "True\r\n5 True\r\n");
}

TEST_P(ProcessTerminal, SizeIsThatOfOptionsAndOfResize) {
    EXPECT_EQ(shown_by(command("stty", "size")), "24 80\r\n");
    EXPECT_EQ(shown_by(command("stty", "size"), terminal_options().size({50, 132})), "50 132\r\n");
    auto screen = open();
    EXPECT_EQ(screen.size(), window_size());
    EXPECT_TRUE(screen.resize({2, 3}));
    EXPECT_EQ(screen.size(), window_size(2, 3));
}

TEST_P(ProcessTerminal, ResizeSendsSigwinch) {
    auto screen = open();
    const auto started =
        start(screen, shell("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done"));
    EXPECT_EQ(until(screen, "ready\r\n"), "ready\r\n");
    EXPECT_TRUE(screen.resize({30, 90}));
    EXPECT_EQ(runs.run(contents_of(screen)), "30 90\r\n");
    EXPECT_EQ(runs.run(started.wait())->code(), 0);
}

TEST_P(ProcessTerminal, InputIsEchoedUnlessThatIsOff) {
    for (const bool echo : {true, false}) {
        auto screen = open(terminal_options().echo(echo));
        const auto started = start(screen, command("cat"));
        write(screen, "a line\n");
        EXPECT_EQ(until(screen, "line\r\n"), "a line\r\n");
        if (echo) {
            EXPECT_EQ(until(screen, "line\r\n"), "a line\r\n");
        }
        write(screen, "\4");
        EXPECT_EQ(runs.run(contents_of(screen)), "");
        EXPECT_EQ(runs.run(started.wait())->code(), 0);
    }
}

TEST_P(ProcessTerminal, LineMayBeEdited) {
    auto screen = open(terminal_options().echo(false));
    const auto started = start(screen, command("cat"));
    write(screen, "ab\u00fc");
    write(screen, "\x7f\n");  // deletes both bytes of the last character
    EXPECT_EQ(until(screen, "\n"), "ab\r\n");
}

TEST_P(ProcessTerminal, RawTerminalChangesNothing) {
    const std::string all = "\1\2\3\4\r\n\x1a\x1c\x7f\xff";
    auto screen = open(terminal_options().raw(true));
    const auto started = start(screen, command("head", "-c", std::to_string(all.size())));
    write(screen, all);
    EXPECT_EQ(runs.run(contents_of(screen)), all);
    EXPECT_EQ(runs.run(started.wait())->code(), 0);
}

TEST_P(ProcessTerminal, CtrlCInterruptsTheForeground) {
    auto screen = open();
    const auto started = start(screen, shell("echo ready; exec sleep 1000"));
    EXPECT_EQ(until(screen, "ready\r\n"), "ready\r\n");
    write(screen, "\3");
    EXPECT_EQ(runs.run(started.wait())->signal(), SIGINT);
}

TEST_P(ProcessTerminal, ShellControlsItsJobs) {
    auto screen = open(terminal_options().echo(false));
    auto bash = command("bash", "--norc", "--noprofile", "--noediting", "-i");
    const auto started = start(screen, bash.env("PS1", "> ").env("TERM", "dumb"));
    EXPECT_EQ(until(screen, "> "), "> ");
    write(screen, "sleep 1000\n");
    // Not before the program is executed: until then, the process ignores Ctrl-Z, as its shell does.
    EXPECT_TRUE(comes_true([&] { return support::status_line(foreground_of(screen), "Name") == "sleep"; }));
    const int job = foreground_of(screen);
    write(screen, "\x1a");
    EXPECT_NE(until(screen, "> ").find("Stopped"), std::string::npos);
    EXPECT_EQ(state_of(job), 'T');
    EXPECT_EQ(foreground_of(screen), started.id());
    write(screen, "fg\n");
    EXPECT_EQ(until(screen, "sleep 1000\r\n"), "sleep 1000\r\n");
    EXPECT_TRUE(comes_true([&] { return foreground_of(screen) == job && state_of(job) == 'S'; }));
    write(screen, "\3");
    static_cast<void>(until(screen, "> "));
    EXPECT_EQ(state_of(job), '-');
    write(screen, "exit 7\n");
    EXPECT_EQ(runs.run(contents_of(screen)), "exit\r\n");
    EXPECT_EQ(runs.run(started.wait())->code(), 7);
}

TEST_P(ProcessTerminal, AllOutputIsReadBeforeTheEnd) {
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(shown_by(shell("printf last")), "last");
    }
    const auto text = shown_by(shell("head -c 300000 /dev/zero; printf last"), terminal_options().raw(true));
    EXPECT_EQ(text.size(), 300'004U);
    EXPECT_TRUE(text.ends_with("last"));
}

TEST_P(ProcessTerminal, OutputOfEndedProcessStaysReadable) {
    auto screen = open();
    const auto started = start(screen, shell("printf last"));
    EXPECT_EQ(runs.run(started.wait())->code(), 0);
    EXPECT_EQ(runs.run(contents_of(screen)), "last");
    EXPECT_EQ(runs.run(contents_of(screen)), "");  // the end is no error, also the second time
}

TEST_P(ProcessTerminal, StreamsInBothDirectionsAtOnce) {
    const auto sent = support::byte_pattern(1).make(0, 1'000'000);
    auto screen = open(terminal_options().raw(true));
    const auto started = start(screen, command("cat"));
    std::vector<std::byte> received(sent.size());
    const auto [written, read] = runs.run(eddy::join(screen.write_all(sent), screen.read_exact(received)));
    EXPECT_TRUE(written);
    EXPECT_TRUE(read);
    EXPECT_EQ(received, sent);
}

TEST_P(ProcessTerminal, WriteWaitsForReaderAndDropLosesNothing) {
    auto screen = open(terminal_options().raw(true));
    auto gate = eddy::net::pipe::make();
    const auto started = start(screen, shell("read go <&2; exec cat").error(stdio::copy_of(gate->rx)));
    const auto sent = support::byte_pattern(1).make(0, 10'000'000);
    std::size_t written = 0;
    runs.run([](terminal& to, std::span<const std::byte> from, std::size_t& count) -> eddy::task<void> {
        while (const auto some = co_await support::once(to.write(from.subspan(count)))) count += some->value();
    }(screen, sent, written));
    EXPECT_GT(written, 0U);
    EXPECT_LT(written, sent.size());
    eddy::drop(std::move(gate));
    std::vector<std::byte> received(written);
    EXPECT_TRUE(runs.run(screen.read_exact(received)));
    EXPECT_TRUE(support::byte_pattern(1).matches(0, received));
}

TEST_P(ProcessTerminal, WorksWithAlgorithmsOfIo) {
    auto screen = open(terminal_options().echo(false));
    const auto started = start(screen, shell("while read x; do echo \"<$x>\"; done"));
    runs.run([](terminal& on) -> eddy::task<void> {
        io::cursor keys(std::string("one\ntwo\n\4"));
        EXPECT_TRUE(co_await io::copy(keys, on));
        EXPECT_TRUE(co_await io::shutdown(on));
        auto lines = io::lines(io::buf_reader(std::ref(on)));
        for (const std::string_view expected : {"<one>", "<two>"}) {
            const auto line = co_await lines.next();
            EXPECT_EQ(line->value(), expected);
        }
        const auto end = co_await lines.next();
        EXPECT_FALSE(end);
    }(screen));
}

TEST_P(ProcessTerminal, DroppedReadLosesNothing) {
    auto screen = open();
    const auto started = start(screen, command("cat"));
    std::string room(10, '\0');
    EXPECT_FALSE(runs.run(support::once(screen.read(room))));
    write(screen, "x\n");
    EXPECT_EQ(until(screen, "x\r\nx\r\n"), "x\r\nx\r\n");
}

TEST_P(ProcessTerminal, InputWaitsForTheNextProcess) {
    auto screen = open(terminal_options().echo(false));
    write(screen, "one\n");
    const auto first = start(screen, command("head", "-n", "1"));
    EXPECT_EQ(runs.run(contents_of(screen)), "one\r\n");
    write(screen, "two\n");
    const auto second = start(screen, command("head", "-n", "1"));
    EXPECT_EQ(until(screen, "\n"), "two\r\n");
}

TEST_P(ProcessTerminal, DropHangsUp) {
    auto screen = std::optional(open());
    const auto started = start(*screen, command("sleep", "1000"));
    screen.reset();
    EXPECT_EQ(runs.run(started.wait())->signal(), SIGHUP);
}

TEST_P(ProcessTerminal, DropOfChildKillsAndEndsTheStream) {
    auto screen = open();
    auto started = std::optional(start(screen, command("sleep", "1000")));
    const int id = started->id();
    started.reset();
    EXPECT_EQ(runs.run(contents_of(screen)), "");
    EXPECT_TRUE(comes_true([&] { return state_of(id) == '-'; }));
}

TEST_P(ProcessTerminal, DroppedSpawnLeavesNoProcess) {
    ASSERT_TRUE(support::all_are_reaped());
    for (int round = 0; round < 10; ++round) {
        auto screen = open();
        auto spawning = screen.spawn(command("sleep", "1000"));
        runs.run(support::poll_once(spawning));
    }
    EXPECT_EQ(shown_by(shell("printf x")), "x");  // the spawn thread is done with the others
    EXPECT_TRUE(support::all_are_reaped());
}

TEST_P(ProcessTerminal, StreamsOfTheCommandAreKept) {
    auto screen = open();
    auto started = start(screen, shell("tty <&2; echo out").out(stdio::pipe()));
    EXPECT_TRUE(runs.run(contents_of(*started.out())).starts_with("/dev/pts/"));
    EXPECT_EQ(runs.run(contents_of(screen)), "");
    auto none = start(screen, shell("readlink /proc/$$/fd/0; echo x >/dev/tty").in(stdio::null()).out(stdio::pipe()));
    EXPECT_EQ(runs.run(contents_of(*none.out())), "/dev/null\n");
    EXPECT_EQ(runs.run(contents_of(screen)), "x\r\n");
}

// covers: R097
TEST_P(ProcessTerminal, NextProcessGetsControlWhenTheFirstHasEnded) {
    auto screen = open();
    for (int round = 0; round < 3; ++round) {
        const auto started = start(screen, shell("exec 3</dev/tty && echo has"));
        EXPECT_EQ(runs.run(contents_of(screen)), "has\r\n");
        EXPECT_EQ(runs.run(started.wait())->code(), 0);
    }
}

TEST_P(ProcessTerminal, SecondProcessHasStreamsWithoutControl) {
    auto screen = open(terminal_options().echo(false));
    const auto first = start(screen, command("cat"));
    const auto second = start(screen, shell("[ -t 0 ] && ! (: </dev/tty) 2>/dev/null && echo shares"));
    EXPECT_EQ(until(screen, "\n"), "shares\r\n");
    EXPECT_EQ(runs.run(second.wait())->code(), 0);
    EXPECT_EQ(first.try_wait().value(), std::nullopt);
}

TEST_P(ProcessTerminal, FailedStartLeavesTerminalUsable) {
    auto screen = open();
    const auto failed = runs.run(screen.spawn(command("no-such-program")));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(), "no-such-program: No such file or directory");
    EXPECT_EQ(runs.run(contents_of(screen)), "");
    const auto started = start(screen, shell("printf x"));
    EXPECT_EQ(runs.run(contents_of(screen)), "x");
}

TEST_P(ProcessTerminal, LeavesNoDescriptor) {
    EXPECT_EQ(shown_by(shell("printf x")), "x");  // the library has its own descriptors now
    ASSERT_TRUE(support::all_are_reaped());
    const support::leaves_no_descriptor unchanged;
    EXPECT_EQ(shown_by(shell("printf x")), "x");
    ASSERT_TRUE(support::all_are_reaped());
}

TEST(ProcessTerminalErrors, SayWhatIsMissing) {
    support::executor runs(0);
    ASSERT_TRUE(runs.run(support::output_of(command("true"))).empty());
    ASSERT_TRUE(support::all_are_reaped());
    auto screen = terminal::open().value();
    {
        const support::descriptor_limit limit(0);
        EXPECT_EQ(terminal::open().error(), std::errc::too_many_files_open);
        const auto failed = runs.run(screen.spawn(command("true")));
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().message(), "true: Too many open files (terminal)");
    }
    const auto moved = std::move(screen);
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(runs.run(screen.write_all("x"))); }).find("terminal"),
              std::string::npos);
}

}  // namespace
