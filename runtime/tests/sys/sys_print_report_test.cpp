// SPDX-License-Identifier: MIT
// Reports on a standard error that takes no bytes.
#include "sys/print_report.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>

namespace {

using namespace std::chrono_literals;
using eddy::sys::print_report;

/// Makes a descriptor the standard error of the process.
class standard_error {
public:
    explicit standard_error(int by) : before_(::dup(2)) { ::dup2(by, 2); }
    standard_error(const standard_error&) = delete;
    standard_error& operator=(const standard_error&) = delete;
    ~standard_error() {
        ::dup2(before_, 2);
        ::close(before_);
    }

private:
    int before_;
};

void set_nonblocking(int fd, bool on) { ::fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0); }

/// Fills a pipe or socket, which blocks writers afterwards.
void fill(int fd) {
    static constexpr std::array<char, 4096> bytes{};
    set_nonblocking(fd, true);
    for (std::size_t size = bytes.size(); size != 0; size /= 2)
        while (::write(fd, bytes.data(), size) > 0) {
        }
    set_nonblocking(fd, false);
}

/// Reads what is there, without zeros.
std::string drain(int fd) {
    set_nonblocking(fd, true);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t count = 0; (count = ::read(fd, part.data(), part.size())) > 0;)
        for (const char c : std::span(part).first(static_cast<std::size_t>(count)))
            if (c != 0) text += c;
    return text;
}

const std::string loss = "\neddy: 2 reports before this one are lost, or not whole: standard error was full\n";

TEST(SysPrintReport, FullPipeLosesReportsAndSaysSo) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    fill(ends[1]);
    {
        const standard_error full(ends[1]);
        print_report("first\n", 1ms);
        print_report("second\n", 1ms);
        EXPECT_EQ(drain(ends[0]), "");
        print_report("third\n", 1ms);
        print_report("fourth\n", 1ms);
    }
    EXPECT_EQ(drain(ends[0]), loss + "third\nfourth\n");
    ::close(ends[0]);
    ::close(ends[1]);
}

/// Sends a signal each millisecond.
class frequent_signal {
public:
    frequent_signal() {
        struct sigaction ignored{};
        ignored.sa_handler = [](int) {};
        ::sigaction(SIGALRM, &ignored, &before_);
        const itimerval often{{0, 1000}, {0, 1000}};
        ::setitimer(ITIMER_REAL, &often, nullptr);
    }
    frequent_signal(const frequent_signal&) = delete;
    frequent_signal& operator=(const frequent_signal&) = delete;
    ~frequent_signal() {
        const itimerval never{};
        ::setitimer(ITIMER_REAL, &never, nullptr);
        ::sigaction(SIGALRM, &before_, nullptr);
    }

private:
    struct sigaction before_{};
};

/// Without the limit of the whole wait, it does not end.
TEST(SysPrintReport, SignalsDoNotProlongTheWait) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    fill(ends[1]);
    {
        const standard_error full(ends[1]);
        {
            const frequent_signal often;
            print_report("first\n", 50ms);
        }
        EXPECT_EQ(drain(ends[0]), "");
        print_report("second\n", 1ms);
    }
    EXPECT_EQ(drain(ends[0]),
              "\neddy: 1 report before this one is lost, or not whole: standard error was full\nsecond\n");
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(SysPrintReport, PartOfLongReportIsWritten) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    {
        const standard_error small(ends[1]);
        print_report(std::string(16 << 20, 'x'), 1ms);
        const std::string written = drain(ends[0]);
        EXPECT_EQ(written, std::string(written.size(), 'x'));
        EXPECT_GT(written.size(), 0u);
        EXPECT_EQ(::fcntl(2, F_GETFL) & O_NONBLOCK, 0) << "other processes use the pipe, too";
        print_report("after\n", 1ms);
    }
    EXPECT_EQ(drain(ends[0]),
              "\neddy: 1 report before this one is lost, or not whole: standard error was full\nafter\n");
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(SysPrintReport, FullSocketLosesReports) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    fill(ends[1]);
    {
        const standard_error full(ends[1]);
        print_report("first\n", 1ms);
        print_report("second\n", 1ms);
        EXPECT_EQ(drain(ends[0]), "");
        print_report("third\n", 1ms);
    }
    EXPECT_EQ(drain(ends[0]), loss + "third\n");
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(SysPrintReport, FileGetsWholeReportsAtItsEnd) {
    testing::internal::CaptureStderr();
    print_report("first\n");
    print_report(std::string(100'000, 'x') + "\n");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "first\n" + std::string(100'000, 'x') + "\n");
}

TEST(SysPrintReport, ClosedStandardErrorIsIgnored) {
    const int before = ::dup(2);
    ::close(2);
    print_report("nothing\n", 1ms);
    ::dup2(before, 2);
    ::close(before);
}

}  // namespace
