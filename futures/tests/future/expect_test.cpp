// SPDX-License-Identifier: MIT
// covers: S95
#include <eddy/error/expect.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <expected>
#include <memory>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/runtime/run.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>

namespace {

std::error_code refused() { return std::make_error_code(std::errc::connection_refused); }

template <class Work>
std::string text_of_failure(Work work) {
    try {
        work();
    } catch (const eddy::unmet_expectation& unmet) {
        return unmet.what();
    }
    return "no exception";
}

TEST(Expect, ReturnsTheValue) {
    EXPECT_EQ(eddy::expect(eddy::ok(3), "count"), 3);
    EXPECT_EQ(eddy::value_of(eddy::ok(3)), 3);
    eddy::expect(eddy::ok(), "finish");
    eddy::value_of(std::expected<void, int>());
    const auto owned = eddy::expect(eddy::result<std::unique_ptr<int>>(std::make_unique<int>(5)), "make");
    EXPECT_EQ(*owned, 5);
}

TEST(Expect, ReturnsAReferenceOfAnLvalueOnly) {
    eddy::result<std::string> named("text");
    static_assert(std::is_same_v<decltype(eddy::expect(named, "")), std::string&>);
    static_assert(std::is_same_v<decltype(eddy::value_of(std::as_const(named))), const std::string&>);
    static_assert(std::is_same_v<decltype(eddy::value_of(std::move(named))), std::string>);
    eddy::value_of(named) += " more";
    EXPECT_EQ(*named, "text more");
}

TEST(Expect, ThrowsTheTextTheReasonAndTheLine) {
    const eddy::result<int> failed(std::unexpect, refused());
    const eddy::result<void> nothing(std::unexpect, refused());
    const std::expected<int, std::monostate> silent(std::unexpect);
    const std::string place = std::string(" (at ") + std::source_location::current().file_name() + ':';
    const std::string reason = refused().message() + place;
    int line = __LINE__;
    const auto with_text = text_of_failure([&] { static_cast<void>(eddy::expect(failed, "dial")); });
    const auto without = text_of_failure([&] { static_cast<void>(eddy::value_of(failed)); });
    const auto of_void = text_of_failure([&] { eddy::expect(nothing, "go"); });
    const auto of_silent = text_of_failure([&] { static_cast<void>(eddy::expect(silent, "go")); });
    EXPECT_EQ(with_text, "dial: " + reason + std::to_string(++line) + ')');
    EXPECT_EQ(without, reason + std::to_string(++line) + ')');
    EXPECT_EQ(of_void, "go: " + reason + std::to_string(++line) + ')');
    EXPECT_EQ(of_silent, "go: an error of a type without a text" + place + std::to_string(++line) + ')');
}

TEST(Expect, ExceptionHasTheError) {
    try {
        eddy::expect(eddy::any_result<void>(std::unexpect, eddy::any_error(refused()).context("dial")), "start");
        FAIL();
    } catch (const eddy::unmet_expectation& unmet) {
        EXPECT_EQ(unmet.error(), refused());
        EXPECT_EQ(unmet.error().chain().size(), 3u);
        EXPECT_EQ(unmet.where().line(), static_cast<unsigned>(__LINE__ - 5));
    }
}

TEST(ExpectDeathTest, UncaughtExceptionEndsWithCodeOne) {
    const auto end = [] {
        std::printf("output that is still in a buffer");
        static_cast<void>(eddy::expect(eddy::result<int>(std::unexpect, refused()), "bind the listener"));
    };
    // A function that is noexcept, as the main function of a program: no code catches the exception.
    EXPECT_EXIT([&]() noexcept { end(); }(), testing::ExitedWithCode(1),
                "Error: bind the listener: " + refused().message() + " \\(at .*expect_test.cpp:");
}

constexpr int line_of_error = __LINE__ + 1;
eddy::task<eddy::any_result<int>> fails() { co_return std::unexpected(refused()); }

TEST(ExpectDeathTest, PlacesOfTheErrorArePrinted) {
    EXPECT_EXIT([&]() noexcept { static_cast<void>(eddy::value_of(eddy::wait(fails()))); }(),
                testing::ExitedWithCode(1),
                "Error: " + refused().message() + " \\(at .*\n  at .*expect_test.cpp:" + std::to_string(line_of_error));
}

eddy::task<void> expects() {
    auto outcome = co_await fails();
    static_cast<void>(eddy::expect(std::move(outcome), "fail"));
}

TEST(ExpectDeathTest, ExceptionOfRunEndsWithCodeOne) {
    EXPECT_EXIT([&]() noexcept { eddy::run(expects()); }(), testing::ExitedWithCode(1),
                "Error: fail: " + refused().message());
}

TEST(ExpectDeathTest, OtherExceptionsHaveTheirHandler) {
    const auto end = []() noexcept {
        std::set_terminate([] { std::_Exit(7); });
        try {
            static_cast<void>(eddy::value_of(eddy::result<int>(std::unexpect, refused())));
        } catch (const eddy::unmet_expectation&) {  // NOLINT(bugprone-empty-catch): it has installed its handler
        }
        std::terminate();
    };
    EXPECT_EXIT(end(), testing::ExitedWithCode(7), "");
}

}  // namespace
