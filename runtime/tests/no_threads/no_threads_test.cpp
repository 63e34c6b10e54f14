// SPDX-License-Identifier: MIT
// Only in a build without threads (EDDY_NO_THREADS): what the library does instead of using a thread.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>

using namespace std::chrono_literals;

namespace {

std::ptrdiff_t thread_count() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
}
long this_thread_id() { return syscall(SYS_gettid); }

eddy::task<eddy::result<void>> answer_once(eddy::net::tcp_listener& listener) {
    auto client = co_await eddy::try_(listener.accept());
    std::byte byte{};
    co_await eddy::try_(eddy::io::read_exact(client.stream, std::span(&byte, 1)));
    co_await eddy::try_(eddy::io::write_all(client.stream, std::span(&byte, 1)));
    co_return eddy::ok();
}

eddy::task<eddy::result<void>> ask(std::uint16_t port) {
    auto stream = co_await eddy::try_(eddy::net::tcp_stream::connect("localhost", port));
    std::byte byte{42};
    co_await eddy::try_(eddy::io::write_all(stream, std::span(&byte, 1)));
    byte = {};
    co_await eddy::try_(eddy::io::read_exact(stream, std::span(&byte, 1)));
    EXPECT_EQ(byte, std::byte{42});
    co_return eddy::ok();
}

eddy::task<eddy::result<int>> serve_and_ask() {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    const auto port = listener.local_addr().value().port();
    auto served = eddy::spawn(answer_once(listener));
    co_await eddy::try_(ask(port));
    co_await eddy::time::sleep(1ms);
    const auto answer = co_await served;
    EXPECT_TRUE(answer.value().has_value());
    co_return 7;
}

/// Checks that no thread was started.
class NoThreads : public testing::Test {
protected:
    void TearDown() override { EXPECT_EQ(thread_count(), before_); }

private:
    const std::ptrdiff_t before_ = thread_count();
};

// covers: S51
TEST_F(NoThreads, RunUsesOneThreadForSocketsNamesAndTimers) { EXPECT_EQ(eddy::run(serve_and_ask()), 7); }

TEST_F(NoThreads, RunWaitsForSpawnedTasks) {
    bool has_ended = false;
    const auto main = [&]() -> eddy::task<> {
        eddy::spawn([](bool& ended) -> eddy::task<> {
            co_await eddy::time::sleep(1ms);
            ended = true;
        }(has_ended))
            .detach();
        co_return;
    };
    EXPECT_EQ(eddy::run(main), 0);
    EXPECT_TRUE(has_ended);
}

// covers: S51
TEST_F(NoThreads, BlockingWorkRunsOnTheLoopsThread) {
    eddy::core loop;
    loop.run([]() -> eddy::task<> {
        auto work = eddy::spawn_blocking([] { return this_thread_id(); });
        const auto where = co_await std::move(work);
        EXPECT_EQ(where.value(), this_thread_id());
    });
}

// covers: S51
TEST_F(NoThreads, BlockingWorkThatThrowsIsReportedByItsHandle) {
    eddy::core loop;
    loop.run([]() -> eddy::task<> {
        const auto answer = co_await eddy::spawn_blocking([]() -> int { throw std::runtime_error("no luck"); });
        EXPECT_FALSE(answer.has_value());
        if (!answer) {
            EXPECT_NE(std::string(answer.error().what()).find("no luck"), std::string::npos);
        }
    });
}

TEST_F(NoThreads, LoopWithoutIoSleepsUntilItsTimer) {
    auto loop = eddy::core::builder().enable_io(false).build().value();
    const auto begin = std::chrono::steady_clock::now();
    loop.run([]() -> eddy::task<> { co_await eddy::time::sleep(5ms); });
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 5ms);
}

TEST_F(NoThreads, ScopeRunsItsChildrenOnTheLoop) {
    eddy::core loop;
    const int sum = loop.run([]() -> eddy::task<int> {
        int total = 0;
        const auto add = [](int& to, int value) -> eddy::task<> {
            co_await eddy::yield_now();
            to += value;
        };
        co_await eddy::scope([&](auto& children) -> eddy::task<> {
            for (int i = 1; i <= 10; ++i) children.spawn(add(total, i));
            co_return;
        });
        co_return total;
    });
    EXPECT_EQ(sum, 55);
}

// covers: S51
TEST(NoThreadsDeathTest, WaitForAnotherThreadAbortsWithMessage) {
    EXPECT_DEATH(eddy::wait(eddy::pending()), "only another thread can do.*EDDY_NO_THREADS");
}

TEST_F(NoThreads, WaitReturnsTheOutputOfAReadyFuture) { EXPECT_EQ(eddy::wait(eddy::ready(5)), 5); }

}  // namespace
