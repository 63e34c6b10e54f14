// SPDX-License-Identifier: MIT
// Raw mode and the size of the terminal of a program, which runs in a pseudo terminal. The oracle is stty(1).
#ifdef __linux__
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/random_tree.hpp>
#include <support/sanitizers.hpp>

namespace {

namespace process = eddy::process;
using process::stdio;

/// A pseudo terminal whose settings stay while it exists.
class pty {
public:
    pty() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        std::array<char, 64> path{};
        if (::unlockpt(master_) != 0 || ::ptsname_r(master_, path.data(), path.size()) != 0)
            throw std::runtime_error("pty");
        path_ = path.data();
        slave_ = ::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    }
    pty(const pty&) = delete;
    pty& operator=(const pty&) = delete;
    ~pty() {
        ::close(slave_);
        ::close(master_);
    }

    [[nodiscard]] int slave() const { return slave_; }
    [[nodiscard]] std::string stty(const std::string& arguments) const {
        return support::output_of("stty -F " + path_ + " " + arguments);
    }
    /// Reads until the program has written a text.
    void read_until(const std::string& text) const {
        std::array<char, 256> buffer{};
        for (std::string all; !all.contains(text);) {
            const auto count = ::read(master_, buffer.data(), buffer.size());
            ASSERT_GT(count, 0) << all;
            all.append(buffer.data(), static_cast<std::size_t>(count));
        }
    }

private:
    int master_;
    int slave_ = -1;
    std::string path_;
};

/// Runs child_program in raw mode, sends it a signal if that is not 0, and returns how it ends.
std::string end_in_raw_mode(const std::string& how, int signal = 0) {
    const pty screen;
    const auto before = screen.stty("-g");
    support::executor runs(0);
    const auto done = runs.run([&]() -> eddy::task<process::result<process::exit_status>> {
        auto command = process::command(EDDY_CHILD_PROGRAM, "raw", how).error(stdio::null());
        command.in(stdio::copy_of(screen.slave())).out(stdio::copy_of(screen.slave()));
        auto child = co_await eddy::try_(command.spawn());
        screen.read_until("raw");
        const auto settings = screen.stty("-a");
        for (const char* off : {"-icanon", "-echo ", "-isig", "-opost"})
            EXPECT_TRUE(settings.contains(off)) << off << "\n" << settings;
        if (signal != 0)
            co_await eddy::try_(child.signal(signal));
        else
            co_await eddy::try_(child.signal(SIGCONT));  // the program may go on
        co_return co_await child.wait();
    }());
    EXPECT_EQ(screen.stty("-g"), before) << how << " " << signal;
    return done ? done->to_string() : done.error().message();
}

// covers: P117
TEST(ProcessOwnTerminal, SettingsAreRestoredByTheDestructorAndAtExit) {
    EXPECT_EQ(end_in_raw_mode("drop"), "exit code 0");
    EXPECT_EQ(end_in_raw_mode("exit"), "exit code 3");
    EXPECT_EQ(end_in_raw_mode("again"), "exit code 0");
}

TEST(ProcessOwnTerminal, SettingsAreRestoredBySignals) {
    EXPECT_EQ(end_in_raw_mode("wait", SIGTERM), "signal 15 (SIGTERM)");
    EXPECT_EQ(end_in_raw_mode("wait", SIGINT), "signal 2 (SIGINT)");
    EXPECT_EQ(end_in_raw_mode("wait", SIGHUP), "signal 1 (SIGHUP)");
    EXPECT_TRUE(end_in_raw_mode("wait", SIGQUIT).starts_with("signal 3 (SIGQUIT)"));
    EXPECT_EQ(end_in_raw_mode("wait", SIGUSR1), "signal 10 (SIGUSR1)");
}

TEST(ProcessOwnTerminal, SettingsAreRestoredByCrashes) {
    EXPECT_TRUE(end_in_raw_mode("abort").starts_with("signal 6 (SIGABRT)"));
    EXPECT_TRUE(end_in_raw_mode("throw").starts_with("signal 6 (SIGABRT)"));
    if (support::is_sanitized) return;  // which ends the program itself
    EXPECT_TRUE(end_in_raw_mode("fault").starts_with("signal 11 (SIGSEGV)"));
}

TEST(ProcessOwnTerminal, HandlerOfTheProgramHasTheSignalAlone) {
    EXPECT_EQ(end_in_raw_mode("handles", SIGTERM), "exit code 4");
    EXPECT_EQ(end_in_raw_mode("handled", SIGTERM), "exit code 4");
}

TEST(ProcessOwnTerminal, ForkedProcessLeavesTheSettings) { EXPECT_EQ(end_in_raw_mode("forks"), "exit code 0"); }

TEST(ProcessOwnTerminal, NoTerminalIsAnError) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    EXPECT_EQ(process::raw_mode::begin(ends[0]).error(), std::errc::inappropriate_io_control_operation);
    EXPECT_EQ(process::own_size(ends[0]).error(), std::errc::inappropriate_io_control_operation);
    const pty screen;
    const auto before = screen.stty("-g");
    {
        const auto raw = process::raw_mode::begin(screen.slave());  // an error has left no trace
        ASSERT_TRUE(raw);
        EXPECT_EQ(process::raw_mode::begin(screen.slave()).error(), std::errc::device_or_resource_busy);
        EXPECT_NE(screen.stty("-g"), before);
    }
    EXPECT_EQ(screen.stty("-g"), before);
    struct sigaction now{};
    ASSERT_EQ(::sigaction(SIGUSR2, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
    ASSERT_EQ(::sigaction(SIGSYS, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(ProcessOwnTerminal, SizesAreReportedWhenTheyChange) {
    const pty screen;
    static_cast<void>(screen.stty("rows 5 cols 40"));
    support::executor runs(0);
    const auto done = runs.run([&]() -> eddy::task<eddy::result<void>> {
        const auto now = co_await eddy::try_(process::own_size(screen.slave()));
        EXPECT_EQ(now, process::window_size(5, 40));
        auto sizes = co_await eddy::try_(process::own_sizes(screen.slave()));
        const auto first = co_await sizes.next();
        EXPECT_EQ(first, process::window_size(5, 40));
        auto next = eddy::spawn(sizes.next());
        ::raise(SIGWINCH);  // without a change
        co_await eddy::time::sleep(std::chrono::milliseconds(20));
        EXPECT_FALSE(next.is_finished());
        static_cast<void>(screen.stty("rows 6 cols 41"));
        ::raise(SIGWINCH);  // the terminal sends it to the programs in its foreground
        const auto changed = co_await next;
        EXPECT_EQ(changed.value(), process::window_size(6, 41));
        co_return {};
    }());
    EXPECT_TRUE(done) << done.error().message();
}

}  // namespace
#endif
