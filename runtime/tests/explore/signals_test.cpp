// SPDX-License-Identifier: MIT
// Bells of signals: a bell is closed while a handler on another thread may use its descriptor.
#include "sys/signals.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "explore/explore.hpp"

namespace {

using explore::check;
using explore::holds;

constexpr int number = SIGUSR2;

class ExploreSignals : public testing::Test {
protected:
    /// Installs the handler, and makes the bell, which stays in the list of bells until the process ends. So the models
    /// change no memory of the list.
    static void SetUpTestSuite() {
        ASSERT_TRUE(eddy::sys::count_signal(number).has_value());
        eddy::sys::close_bell(*eddy::sys::open_bell(number).value());
    }
    static void TearDownTestSuite() { ::signal(number, SIG_DFL); }

    /// Calls the handler, as the kernel does.
    static void handle_signal() {
        struct sigaction installed{};
        check(::sigaction(number, nullptr, &installed) == 0, "the signal exists");
        siginfo_t info{};
        info.si_signo = number;
        installed.sa_sigaction(number, &info, nullptr);
    }
    static void close_during_handler(eddy::sys::bell_use use) {
        auto* bell = eddy::sys::open_bell(number, use).value();
        {
            const explore::thread other(handle_signal);
            eddy::sys::close_bell(*bell);
            bell = eddy::sys::open_bell(number, use).value();
        }
        eddy::sys::close_bell(*bell);
    }
};

/// The object of the closed bell gets a new descriptor. A handler that still used the former one would read the
/// descriptor's number while it changes.
TEST_F(ExploreSignals, ClosedBellIsNotUsedByAHandler) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] { close_during_handler(eddy::sys::bell_use::ring); }));
}
TEST_F(ExploreSignals, ClosedQueueIsNotUsedByAHandler) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] { close_during_handler(eddy::sys::bell_use::keep_info); }));
}

}  // namespace
