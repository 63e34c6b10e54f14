// SPDX-License-Identifier: MIT
// What is printed when child objects are destroyed that were not used.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>

#include "running_process.hpp"

namespace {

namespace process = eddy::process;
using process::child;
using process::command;
using process::stdio;
using support::all_are_reaped;
using support::comes_true;

/// Returns what is printed while a function runs.
template <class F>
std::string printed_by(F f) {
    testing::internal::CaptureStderr();
    f();
    return testing::internal::GetCapturedStderr();
}

TEST(ProcessDrop, OfAnUnusedChildIsReported) {
    if constexpr (!eddy::detail::has_checks) GTEST_SKIP() << "the report needs EDDY_CHECKS";
    support::executor runs(0);
    const auto spawn = [&](const command& what, unsigned& line) {
        line = __LINE__ + 1;
        return runs.run(what.spawn()).value();
    };
    const command sleeps("sleep", "1000");
    int id = 0;
    unsigned line = 0;
    const auto report = [&] {
        return "eddy: process " + std::to_string(id) +
               " (sleep) was killed because its child object was destroyed at once: keep it until wait() has ended, or "
               "call detach(). It was started at " +
               __FILE__ + ":" + std::to_string(line) + "\n";
    };
    runs.run(eddy::yield_now());  // an await that is recorded
    const auto of_unused = printed_by([&] {
        auto child = spawn(command(sleeps).out(stdio::pipe()), line);
        id = child.process()->id();
        static_cast<void>(std::move(*child.out()));
    });
    EXPECT_EQ(of_unused, report());
    const auto silent = [&](auto use) {
        return printed_by([&] {
            auto child = spawn(sleeps, line);
            use(child);
        });
    };
    EXPECT_EQ(silent([](child& one) { static_cast<void>(one.id()); }), "");
    EXPECT_EQ(silent([](child& one) { eddy::drop(one.wait()); }), "");
    EXPECT_EQ(silent([](child& one) { static_cast<void>(one.kill()); }), "");
    EXPECT_EQ(silent([](child& one) {
                  const int detached = one.process()->id();
                  std::move(one).detach();
                  ::kill(detached, SIGKILL);
              }),
              "");
    const auto of_ended = printed_by([&] {
        auto child = runs.run(command("true").spawn()).value();
        EXPECT_TRUE(comes_true([&] { return child.process()->exit().is_set(); }));
    });
    EXPECT_EQ(of_ended, "");
    EXPECT_TRUE(all_are_reaped());
}

/// A pipe that takes no bytes, as the standard error of the process.
class full_standard_error {
public:
    full_standard_error() : before_(::dup(2)) {
        EXPECT_EQ(::pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC), 0);
        static constexpr std::array<char, 4096> bytes{};
        for (std::size_t size = bytes.size(); size != 0; size /= 2)
            while (::write(ends_[1], bytes.data(), size) > 0) {
            }
        EXPECT_EQ(::fcntl(ends_[1], F_SETFL, 0), 0);  // a write blocks
        ::dup2(ends_[1], 2);
    }
    full_standard_error(const full_standard_error&) = delete;
    full_standard_error& operator=(const full_standard_error&) = delete;
    ~full_standard_error() {
        ::dup2(before_, 2);
        for (const int fd : {before_, ends_[0], ends_[1]}) ::close(fd);
    }
    /// Ends the writes that wait.
    void drain() const {
        std::array<char, 4096> part{};
        while (::read(ends_[0], part.data(), part.size()) > 0) {
        }
    }

private:
    int before_;
    std::array<int, 2> ends_{};
};

TEST(ProcessDropOwnProcess, ReportDoesNotWaitForAFullStandardError) {
    if constexpr (!eddy::detail::has_checks) GTEST_SKIP() << "the report needs EDDY_CHECKS";
    support::executor runs(0);
    runs.run(eddy::yield_now());  // an await that is recorded
    support::gate is_dropped;
    bool has_ended = false;
    {
        const full_standard_error full;
        std::thread drops([&, unused = runs.run(command("sleep", "1000").spawn()).value()]() mutable {
            eddy::drop(std::move(unused));
            is_dropped.open();
        });
        has_ended = is_dropped.wait();
        full.drain();
        drops.join();
    }
    EXPECT_TRUE(has_ended);
    EXPECT_TRUE(all_are_reaped());
}

TEST(ProcessDrop, OfAnUnusedPipelineIsReported) {
    if constexpr (!eddy::detail::has_checks) GTEST_SKIP() << "the report needs EDDY_CHECKS";
    support::executor runs(0);
    const command sleeps("sleep", "1000");
    const unsigned line = __LINE__ + 1;
    const auto of_all = printed_by([&] { EXPECT_TRUE(runs.run(process::pipeline(sleeps, sleeps).spawn())); });
    EXPECT_EQ(std::ranges::count(of_all, '\n'), 2) << of_all;
    EXPECT_TRUE(of_all.ends_with(std::string(__FILE__) + ":" + std::to_string(line) + "\n")) << of_all;
    // The library itself uses those that it has started.
    EXPECT_EQ(printed_by([&] { EXPECT_FALSE(runs.run(process::pipeline(sleeps, command("/no/where")).spawn())); }), "");
    EXPECT_EQ(
        printed_by([&] { EXPECT_FALSE(runs.run(process::run(process::pipeline(sleeps, command("/no/where"))))); }), "");
    EXPECT_TRUE(all_are_reaped());
}

}  // namespace
