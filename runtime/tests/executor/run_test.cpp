// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <support/environment.hpp>
#include <support/first_line.hpp>
#include <support/net.hpp>

namespace {

using namespace std::chrono_literals;

/// Returns the text that `work` prints on standard error.
template <class Work>
std::string printed_by(Work work) {
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
}

// ---- Exit codes ----

eddy::task<void> nothing() { co_return; }
eddy::task<int> number(int value) { co_return value; }
eddy::task<std::string> text() { co_return "a value that is not a number"; }
eddy::task<eddy::result<void>> good() { co_return eddy::ok(); }
eddy::task<eddy::result<int>> good_number() { co_return 7; }
eddy::task<eddy::result<void>> refused() {
    co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
}

// covers: S25 P032
TEST(Run, ExitCodeIsZeroOrReturnedNumber) {
    EXPECT_EQ(eddy::run(nothing()), 0);
    EXPECT_EQ(eddy::run(number(0)), 0);
    EXPECT_EQ(eddy::run(number(42)), 42);
    EXPECT_EQ(eddy::run(text()), 0);
    EXPECT_EQ(eddy::run(good()), 0);
    EXPECT_EQ(eddy::run(good_number()), 7);
    EXPECT_EQ(eddy::run(eddy::ready(3)), 3);
    auto named = number(5);
    EXPECT_EQ(eddy::run(named), 5);
}

TEST(Run, FunctionIsCalledAndKeptUntilItsFutureEnds) {
    const std::string text = "a text that is too long for the object of a string itself";
    const auto length = [text]() -> eddy::task<int> {  // the captures are in the lambda, not in the coroutine
        co_await eddy::yield_now();
        co_return static_cast<int>(text.size());
    };
    const int size = static_cast<int>(text.size());
    EXPECT_EQ(eddy::run(length), size);
    EXPECT_EQ(eddy::run(std::remove_const_t<decltype(length)>(length)), size);
    EXPECT_EQ(eddy::run(good_number), 7);  // a function

    eddy::core loop;
    EXPECT_EQ(loop.run([text]() -> eddy::task<int> {
        co_await eddy::yield_now();
        co_return static_cast<int>(text.size());
    }),
              size);
    EXPECT_EQ(loop.run(good_number), 7);

    eddy::runtime pool = eddy::runtime::make().value();
    EXPECT_EQ(pool.block_on(length), size);
    EXPECT_EQ(pool.handle().block_on([length]() mutable { return length(); }), size);
    EXPECT_EQ(std::move(pool).block_on_all(length), size);
}

// covers: S25
TEST(Run, ErrorIsPrintedAndExitCodeIsOne) {
    int code = 0;
    EXPECT_EQ(support::first_line(printed_by([&] { code = eddy::run(refused()); })),
              "Error: " + support::message_of(std::errc::connection_refused) + "\n");
    EXPECT_EQ(code, 1);
}

TEST(Run, UnknownDriverIsPrintedAndExitCodeIsOne) {
    const support::environment named("EDDY_DRIVER", "abacus");
#if defined(_WIN32)
    const std::string drivers = "afd and auto\n";
#elif defined(__linux__)
    const std::string drivers = "epoll, io_uring, poll and auto\n";
#else
    const std::string drivers = "kqueue, poll and auto\n";
#endif
    int code = 0;
    EXPECT_EQ(
        printed_by([&] { code = eddy::run(number(0)); }),
        "Error: eddy::runtime, with EDDY_DRIVER=abacus: the environment's EDDY_DRIVER names no driver: there are " +
            drivers);
    EXPECT_EQ(code, 1);
}

struct with_what {
    [[nodiscard]] const char* what() const { return "it has a what"; }
};
struct with_message {
    [[nodiscard]] std::string message() const { return "cannot open the door: it is locked"; }
    [[nodiscard]] std::error_code to_error_code() const { return std::make_error_code(std::errc::permission_denied); }
};
struct silent {};

template <class E>
eddy::task<std::expected<void, E>> fail_with(E error) {
    co_return std::expected<void, E>(std::unexpect, std::move(error));
}

TEST(Run, ErrorsWithTextArePrinted) {
    const auto first_line_of_failure = [](auto error) {
        return support::first_line(printed_by([&] { EXPECT_EQ(eddy::run(fail_with(std::move(error))), 1); }));
    };
    EXPECT_EQ(first_line_of_failure(std::string("words")), "Error: words\n");
    EXPECT_EQ(first_line_of_failure(with_what()), "Error: it has a what\n");
    EXPECT_EQ(first_line_of_failure(with_message()), "Error: cannot open the door: it is locked\n");
    EXPECT_EQ(first_line_of_failure(eddy::errc::no_address), "Error: could not resolve to any address\n");
    EXPECT_EQ(first_line_of_failure(std::runtime_error("thrown as a value")), "Error: thrown as a value\n");
    EXPECT_EQ(first_line_of_failure(eddy::time::elapsed()).substr(0, 7), "Error: ");
    EXPECT_EQ(printed_by([] { EXPECT_EQ(eddy::run(fail_with(std::monostate())), 1); }), "");
    EXPECT_EQ(printed_by([] { EXPECT_EQ(eddy::run(fail_with(silent())), 1); }), "");
}

// ---- The locations of an error ----

TEST(Run, AnyErrorHasItsPlacesInEachBuild) {
    constexpr int begin = __LINE__;
    const auto main = []() -> eddy::task<eddy::any_result<void>> {
        const auto fails = []() -> eddy::task<eddy::any_result<void>> { co_return std::unexpected("no paper"); };
        co_await eddy::try_(fails().with_context("print"));
        co_return {};
    };
    const std::string text = printed_by([&] { EXPECT_EQ(eddy::run(main()), 1); });
    EXPECT_TRUE(text.starts_with("Error: print: no paper\n  at ")) << text;
    EXPECT_NE(text.find(":" + std::to_string(begin + 2) + " in "), std::string::npos) << text;
    EXPECT_NE(text.find(":" + std::to_string(begin + 3) + " in "), std::string::npos) << text;
}

#if EDDY_CHECKS

constexpr int line_of_error = __LINE__ + 3;
eddy::task<eddy::result<int>> failing_late(bool fails) {
    co_await eddy::yield_now();
    if (fails) co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
    co_return 1;
}
constexpr int line_of_try = __LINE__ + 2;
eddy::task<eddy::result<int>> passing_on() {
    const int n = co_await eddy::try_(failing_late(true));
    co_return n;
}

/// Returns the line of the trail for a line of this file.
std::string at(int line) { return "  at " __FILE__ ":" + std::to_string(line) + " in "; }

/// Returns the lines that eddy::run() prints for `main`, without the names of functions.
template <class E>
std::string trail_of(eddy::task<std::expected<void, E>> main) {
    std::string lines;
    const std::string printed = printed_by([&] { EXPECT_EQ(eddy::run(std::move(main)), 1); });
    for (std::size_t begin = printed.find('\n') + 1; begin < printed.size();) {
        const auto end = printed.find('\n', begin);
        const auto line = printed.substr(begin, end - begin);
        lines += line.substr(0, line.find(" in ") + 4);
        begin = end + 1;
    }
    return lines;
}

TEST(RunErrorTrail, ContainsCoReturnAndEachTry) {
    constexpr int outermost = __LINE__ + 2;
    const auto main = []() -> eddy::task<eddy::result<void>> {
        co_await eddy::try_(passing_on());
        co_return {};
    };
    EXPECT_EQ(trail_of(main()), at(line_of_error) + at(line_of_try) + at(outermost));
}

TEST(RunErrorTrail, IsUsedForAnAnyErrorIfItHasMorePlaces) {
    constexpr int outermost = __LINE__ + 2;
    const auto main = []() -> eddy::task<eddy::any_result<void>> {
        co_await eddy::try_(passing_on());
        co_return {};
    };
    EXPECT_EQ(trail_of(main()), at(line_of_error) + at(line_of_try) + at(outermost));
}

TEST(RunErrorTrail, OmitsErrorsThatWereHandled) {
    constexpr int begin = __LINE__;
    const auto main = []() -> eddy::task<eddy::result<void>> {
        auto handled = co_await passing_on();
        EXPECT_FALSE(handled.has_value());
        auto closed = eddy::result<void>(std::unexpect, make_error_code(eddy::errc::channel_closed));
        co_await eddy::try_(closed);
        co_return {};
    };
    EXPECT_EQ(trail_of(main()), at(begin + 5));
}

TEST(RunErrorTrail, BeginsAtAwaitOfSpawnedTask) {
    constexpr int begin = __LINE__;
    const auto main = []() -> eddy::task<eddy::result<void>> {
        auto handle = eddy::spawn(passing_on());
        auto ended = co_await eddy::try_(handle);
        const int n = co_await eddy::try_(ended);
        EXPECT_EQ(n, 0);
        co_return {};
    };
    EXPECT_EQ(trail_of(main()), at(begin + 4));
}

TEST(RunErrorTrail, OmitsFilesOfTheLibrary) {
    constexpr int begin = __LINE__;
    const auto main = []() -> eddy::task<eddy::result<void>> {
        co_await eddy::try_(eddy::net::tcp_stream::connect(support::closed_addr()));
        co_return {};
    };
    EXPECT_EQ(trail_of(main()), at(begin + 2));
}

TEST(RunErrorTrail, NamesCoReturnOfMain) {
    constexpr int begin = __LINE__;
    const auto main = []() -> eddy::task<eddy::result<void>> {
        auto handled = co_await passing_on();
        co_return std::unexpected(handled.error());
    };
    EXPECT_EQ(trail_of(main()), at(begin + 3));
}

#endif

// ---- Waiting ----

// covers: S14
TEST(Run, WaitsForSpawnedTasks) {
    std::atomic<int> ended = 0;
    const auto child = [](std::atomic<int>& count, int depth) -> eddy::task<void> {
        const auto again = [](std::atomic<int>& c) -> eddy::task<void> {
            co_await eddy::time::sleep(5ms);
            ++c;
        };
        co_await eddy::time::sleep(5ms);
        if (depth > 0) eddy::spawn(again(count));
        ++count;
    };
    const auto main = [&]() -> eddy::task<void> {
        for (int i = 0; i < 10; ++i) eddy::spawn(child(ended, 1));
        co_return;
    };
    EXPECT_EQ(eddy::run(main()), 0);
    EXPECT_EQ(ended, 20);
}

eddy::task<void> never(std::shared_ptr<int> alive) {
    co_await eddy::pending<void>();
    static_cast<void>(alive);
}

// covers: S14
TEST(Run, ErrorCancelsSpawnedTasks) {
    const auto alive = std::make_shared<int>();
    const auto main = [&]() -> eddy::task<eddy::result<void>> {
        eddy::spawn(never(alive));
        co_await eddy::yield_now();
        co_return std::unexpected(std::make_error_code(std::errc::timed_out));
    };
    EXPECT_NE(printed_by([&] { EXPECT_EQ(eddy::run(main()), 1); }), "");
    EXPECT_EQ(alive.use_count(), 1);
}

// covers: S25
TEST(Run, ExceptionCancelsSpawnedTasks) {
    const auto alive = std::make_shared<int>();
    const auto fds = support::fd_count();
    const auto main = [&]() -> eddy::task<void> {
        eddy::spawn(never(alive));
        co_await eddy::yield_now();
        throw std::runtime_error("out");
    };
    EXPECT_EQ(printed_by([&] { EXPECT_THROW(static_cast<void>(eddy::run(main())), std::runtime_error); }), "");
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(support::fd_count(), fds);
}

TEST(Run, ExceptionOfSpawnedTaskIsPrintedAndOthersContinue) {
    std::atomic<bool> went_on = false;
    const auto thrower = []() -> eddy::task<void> {
        throw std::runtime_error("lost");
        co_return;
    };
    const auto other = [&]() -> eddy::task<void> {
        co_await eddy::yield_now();
        went_on = true;
    };
    const auto main = [&]() -> eddy::task<void> {
        eddy::spawn(thrower());
        eddy::spawn(other());
        co_return;
    };
    const auto said = printed_by([&] { EXPECT_EQ(eddy::run(main()), 0); });
    EXPECT_NE(said.find("lost"), said.npos) << said;
    EXPECT_TRUE(went_on);
}

TEST(Run, RunInsideRuntimeIsRefused) {
    std::string refusal;
    const auto main = [&]() -> eddy::task<void> {
        try {
            static_cast<void>(eddy::run(nothing()));
        } catch (const eddy::nested_runtime& error) {
            refusal = error.what();
        }
        co_return;
    };
    EXPECT_EQ(eddy::run(main()), 0);
    EXPECT_NE(refusal.find("inside a runtime"), refusal.npos) << refusal;
    EXPECT_NE(refusal.find("run_test.cpp:"), refusal.npos) << refusal;
    EXPECT_EQ(eddy::run(nothing()), 0) << "afterwards it works again";
}

TEST(Run, DescriptorShortageIsPrintedAndExitCodeIsOne) {
    int code = 0;
    const auto text = printed_by([&] {
        const support::descriptor_limit none(0);
        code = eddy::run(nothing());
    });
    EXPECT_TRUE(text.starts_with("Error: eddy::runtime") && text.ends_with(": Too many open files\n")) << text;
    EXPECT_EQ(code, 1);
}

// ---- Small programs ----

TEST(Run, ErrorWithoutTextPrintsNothing) {
    std::string said;
    auto task = eddy::net::tcp_stream::connect(support::closed_addr())
                    .and_then([](eddy::net::tcp_stream) { return eddy::ok(); })
                    .map_err([&](std::error_code error) { said = error.message(); });
    EXPECT_EQ(printed_by([&] { EXPECT_EQ(eddy::run(std::move(task)), 1); }), "");
    EXPECT_EQ(said, support::message_of(std::errc::connection_refused));
}

// covers: S31 P031
TEST(Run, PollFnIsPolledUntilReady) {
    int calls = 0;
    const auto main = [&]() -> eddy::task<int> {
        auto third = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<int> {
            if (++calls == 3) return 30;
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        });
        co_return co_await third;
    };
    EXPECT_EQ(eddy::run(main()), 30);
    EXPECT_EQ(calls, 3);
}

}  // namespace
