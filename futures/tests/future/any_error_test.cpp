// SPDX-License-Identifier: MIT
// covers: S94 S97 B30
#include <eddy/error/any_error.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <expected>
#include <memory>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/combinators.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/recv_error.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/sync/send_error.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

namespace {

using eddy::any_error;
using eddy::any_result;
using eddy::task;
using eddy::try_;

std::error_code refused() { return std::make_error_code(std::errc::connection_refused); }

struct parse_error {
    int line = 0;
    [[nodiscard]] std::string message() const { return "line " + std::to_string(line) + ": no colon"; }
};

struct device_error {
    int status = 0;
};

struct move_only_error {
    std::unique_ptr<int> number;
    [[nodiscard]] std::string what() const { return "number " + std::to_string(*number); }
};

}  // namespace

namespace eddy {

template <>
struct error_traits<device_error> {
    static std::string message(const device_error& error) { return "device status " + std::to_string(error.status); }
    static std::error_code code(const device_error&) { return std::make_error_code(std::errc::io_error); }
};

}  // namespace eddy

namespace {

static_assert(sizeof(any_error) == sizeof(void*));
static_assert(!std::is_constructible_v<any_error, int>);
static_assert(!std::is_constructible_v<any_error, std::monostate>);
static_assert(std::is_convertible_v<any_error, std::error_code>, "as the error classes of the libraries");
static_assert(std::is_same_v<eddy::detail::joint_error_t<any_error, std::error_code>, any_error>);
static_assert(std::is_same_v<eddy::detail::joint_error_t<std::error_code, any_error>, any_error>);
static_assert(std::is_same_v<eddy::detail::joint_error_t<any_error, any_error>, any_error>);
static_assert(std::is_same_v<eddy::detail::joint_error_t<eddy::time::elapsed, std::error_code>, std::error_code>);

TEST(AnyError, HasTextAndCodeOfEachKindOfError) {
    const any_error code = refused();
    EXPECT_EQ(code.message(), refused().message());
    EXPECT_EQ(code.code(), refused());

    EXPECT_EQ(any_error(std::errc::timed_out).code(), std::errc::timed_out);
    EXPECT_EQ(any_error(eddy::errc::no_address).message(), make_error_code(eddy::errc::no_address).message());
    EXPECT_EQ(any_error(eddy::time::elapsed()).message(), "deadline has elapsed");
    EXPECT_EQ(any_error(eddy::time::elapsed()).code(), eddy::errc::timed_out);
    EXPECT_EQ(any_error(eddy::sync::recv_error()).code(), eddy::errc::channel_closed);
    EXPECT_EQ(any_error(eddy::sync::try_recv_error::closed).code(), eddy::errc::channel_closed);
    EXPECT_EQ(any_error(parse_error{7}).message(), "line 7: no colon");
    EXPECT_EQ(any_error(parse_error{7}).code(), eddy::errc::other);
    EXPECT_EQ(any_error(device_error{3}).message(), "device status 3");
    EXPECT_EQ(any_error(device_error{3}).code(), std::errc::io_error);
    EXPECT_EQ(any_error("a literal").message(), "a literal");
    EXPECT_EQ(any_error(std::string_view("a view")).message(), "a view");
    EXPECT_TRUE(any_error("a literal").is<std::string>());
    EXPECT_EQ(any_error(std::runtime_error("by value")).message(), "by value");
    EXPECT_EQ(any_error(std::system_error(refused(), "connect")).code(), refused());
    EXPECT_EQ(any_error(move_only_error{std::make_unique<int>(4)}).message(), "number 4");
}

TEST(AnyError, HoldsAnException) {
    const any_error thrown = std::make_exception_ptr(std::system_error(refused(), "dial"));
    EXPECT_EQ(thrown.message(), "dial: " + refused().message());
    EXPECT_EQ(thrown.code(), refused());
    const any_error plain = std::make_exception_ptr(std::runtime_error("broken"));
    EXPECT_EQ(plain.message(), "broken");
    EXPECT_EQ(plain.code(), eddy::errc::other);
    const any_error number = std::make_exception_ptr(7);
    EXPECT_EQ(number.message(), "an exception that is not a std::exception");
    EXPECT_EQ(any_error(std::exception_ptr()).code(), eddy::errc::other);

    const any_error joined = eddy::join_error(9, std::make_exception_ptr(std::system_error(refused(), "dial")));
    EXPECT_EQ(joined.message(), "task 9 threw: dial: " + refused().message());
    EXPECT_EQ(joined.code(), refused());
    EXPECT_EQ(any_error(eddy::join_error(9, nullptr)).code(), eddy::errc::task_cancelled);
}

TEST(AnyError, ComparesTheCode) {
    const any_error error = any_error(eddy::errc::timed_out).context("dial");
    EXPECT_TRUE(error == eddy::errc::timed_out);
    EXPECT_TRUE(error == std::errc::timed_out);
    EXPECT_TRUE(error == make_error_code(eddy::errc::timed_out));
    EXPECT_TRUE(error == make_error_condition(std::errc::timed_out));
    EXPECT_FALSE(error == std::errc::broken_pipe);
    EXPECT_TRUE(error != eddy::errc::no_address);
}

TEST(AnyError, DowncastFindsTheRootCauseOnly) {
    const any_error error = any_error(parse_error{3}).context("read the table");
    ASSERT_NE(error.downcast<parse_error>(), nullptr);
    EXPECT_EQ(error.downcast<parse_error>()->line, 3);
    EXPECT_TRUE(error.is<parse_error>());
    EXPECT_FALSE(error.is<std::error_code>());
    EXPECT_EQ(error.downcast<device_error>(), nullptr);
}

TEST(AnyError, ContextsAreInFrontOutermostFirst) {
    const any_error error = any_error(refused()).context("read the table").context("start");
    EXPECT_EQ(error.message(), "start: read the table: " + refused().message());
    EXPECT_EQ(error.root_cause(), refused().message());
    EXPECT_EQ(error.chain(), (std::vector<std::string>{"start", "read the table", refused().message()}));
}

TEST(AnyError, CopiesDoNotSeeLaterContexts) {
    const any_error first = any_error(refused()).context("inner");
    const any_error second = first.context("outer");
    any_error third = first;
    eddy::detail::note_place(third, eddy::detail::call_site_of(std::source_location::current()));
    EXPECT_EQ(first.message(), "inner: " + refused().message());
    EXPECT_EQ(second.message(), "outer: inner: " + refused().message());
    EXPECT_EQ(first.places().size(), 0u);
    EXPECT_EQ(third.places().size(), 1u);
    any_error assigned = second;
    assigned = third;
    EXPECT_EQ(assigned.places().size(), 1u);
    EXPECT_EQ(second.message(), "outer: inner: " + refused().message());
}

TEST(AnyError, MovedFromObjectIsEmptyAndUsable) {
    any_error first = refused();
    const any_error second = std::move(first);
    EXPECT_EQ(first.message(), "");  // NOLINT(bugprone-use-after-move): the subject of this test
    EXPECT_EQ(first.root_cause(), "");
    EXPECT_EQ(first.code(), eddy::errc::other);
    EXPECT_TRUE(first.chain().empty() && first.places().empty() && !first.is<std::error_code>());
    EXPECT_EQ(first.to_json(), R"({"message":"","context":[],"cause":"","code":)" +
                                   std::to_string(static_cast<int>(eddy::errc::other)) +
                                   R"(,"category":"eddy","places":[]})");
    const any_error copy = first;
    EXPECT_EQ(std::move(first).context("again").chain(), (std::vector<std::string>{"again", ""}));
    EXPECT_EQ(second.message(), refused().message());
}

// ---- Coroutines ----

constexpr unsigned line_of_return = __LINE__ + 1;
task<any_result<int>> fails(any_error error) { co_return std::unexpected(std::move(error)); }
task<eddy::result<int>> fails_with_code() { co_return std::unexpected(refused()); }
task<std::expected<int, parse_error>> fails_with_class() {
    co_return std::expected<int, parse_error>(std::unexpect, parse_error{5});
}
constexpr unsigned line_of_try = __LINE__ + 2;
task<any_result<int>> passes(any_error error) {
    const int number = co_await try_(fails(std::move(error)));
    co_return number + 1;
}

std::vector<unsigned> lines_of(const any_error& error) {
    std::vector<unsigned> lines;
    for (const auto& place : error.places()) lines.push_back(place.line());
    return lines;
}

TEST(AnyError, KeepsThePlacesThatItPassed) {
    const auto outcome = eddy::wait(passes(parse_error{1}));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(lines_of(outcome.error()), (std::vector{line_of_return, line_of_try}));
    const std::string file = std::source_location::current().file_name();
    EXPECT_TRUE(outcome.error().report().starts_with("line 1: no colon\n  at " + file + ':' +
                                                     std::to_string(line_of_return) + " in "))
        << outcome.error().report();
    EXPECT_NE(outcome.error().report().find(':' + std::to_string(line_of_try) + " in "), std::string::npos);
    EXPECT_NE(outcome.error().report().find("passes("), std::string::npos) << outcome.error().report();
}

TEST(AnyError, TryConvertsEachErrorToIt) {
    const auto convert = [](auto make) -> task<any_result<int>> { co_return co_await try_(make()) + 1; };
    const auto of_code = eddy::wait(convert(fails_with_code));
    EXPECT_EQ(of_code.error(), refused());
    EXPECT_EQ(of_code.error().places().size(), 1u);
    EXPECT_TRUE(eddy::wait(convert(fails_with_class)).error().is<parse_error>());
    const auto plain = [] { return std::expected<int, device_error>(std::unexpect, device_error{8}); };
    EXPECT_EQ(eddy::wait(convert(plain)).error().message(), "device status 8");
    EXPECT_EQ(eddy::wait(convert([] { return eddy::ready(eddy::result<int>(3)); })), 4);
    const auto kept = [] { return std::expected<int, eddy::join_error>(std::unexpect, 2, nullptr); };
    EXPECT_EQ(eddy::wait(convert(kept)).error(), eddy::errc::task_cancelled);
    const auto threw = [] {
        return std::expected<int, eddy::join_error>(std::unexpect, 2, std::make_exception_ptr(std::logic_error("x")));
    };
    EXPECT_EQ(eddy::wait(convert(threw)).error().message(), "task 2 threw: x");
}

/// Fails at once, and says what it was to do.
struct gate {
    using output_type = eddy::result<int>;
    eddy::poll_result<output_type> poll(eddy::context&) { return output_type(std::unexpect, refused()); }
    [[nodiscard]] std::string operation() const { return "open the gate"; }
};

TEST(AnyError, TryAddsTheOperationOfAFuture) {
    const auto open = []() -> task<any_result<int>> { co_return co_await try_(gate()); };
    EXPECT_EQ(eddy::wait(open()).error().message(), "open the gate: " + refused().message());
    const auto open_later = []() -> task<any_result<int>> {
        gate later;
        co_await eddy::yield_now();
        co_return co_await try_(later);
    };
    EXPECT_EQ(eddy::wait(open_later()).error().chain().size(), 2u);
    const auto code = []() -> task<eddy::result<int>> { co_return co_await try_(gate()); };
    EXPECT_EQ(eddy::wait(code()).error(), refused());
}

TEST(AnyError, ConvertsToTheCodeInAResult) {
    const auto convert = []() -> task<eddy::result<int>> { co_return co_await try_(passes(refused())); };
    EXPECT_EQ(eddy::wait(convert()).error(), refused());
    const auto without_code = []() -> task<eddy::result<int>> { co_return co_await try_(passes("text")); };
    EXPECT_EQ(eddy::wait(without_code()).error(), eddy::errc::other);
}

TEST(AnyError, KeepsSixteenPlaces) {
    const auto deep = [](auto& self, int depth) -> task<any_result<int>> {
        if (depth == 0) co_return std::unexpected("bottom");
        co_return co_await try_(self(self, depth - 1));
    };
    EXPECT_EQ(eddy::wait(deep(deep, 14)).error().places().size(), 15u);
    EXPECT_EQ(eddy::wait(deep(deep, 40)).error().places().size(), 16u);
}

TEST(AnyError, CombinatorsKeepTheStory) {
    const auto both = []() -> task<any_result<int>> {
        const auto [a, b] = co_await try_(eddy::try_join(fails_with_code(), passes(parse_error{6})));
        co_return a + b;
    };
    EXPECT_FALSE(eddy::wait(both()));
    auto chained = eddy::wait(fails_with_code().and_then([](int) { return any_result<int>(1); }));
    static_assert(std::is_same_v<decltype(chained)::error_type, any_error>);
    EXPECT_EQ(chained.error(), refused());
}

// ---- with_context ----

TEST(WithContext, TextIsAddedToTheErrorOfAnExpected) {
    const eddy::result<int> failed(std::unexpect, refused());
    EXPECT_EQ(eddy::with_context(failed, "dial").error().message(), "dial: " + refused().message());
    EXPECT_EQ(eddy::with_context(failed, std::string("dial")).error().message(), "dial: " + refused().message());
    EXPECT_EQ(eddy::with_context(eddy::result<void>(std::unexpect, refused()), "dial").error(), refused());
    EXPECT_EQ(eddy::with_context(any_result<int>(std::unexpect, parse_error{2}), "read").error().message(),
              "read: line 2: no colon");
    EXPECT_EQ(eddy::with_context(eddy::result<std::unique_ptr<int>>(std::make_unique<int>(4)), "x").value() == nullptr,
              false);
    EXPECT_TRUE(eddy::with_context(eddy::ok(), "x").has_value());
}

TEST(WithContext, FunctionIsCalledForAnErrorOnly) {
    int calls = 0;
    const auto text = [&] { return "call " + std::to_string(++calls); };
    EXPECT_EQ(eddy::with_context(eddy::ok(1), text), 1);
    EXPECT_EQ(eddy::wait(eddy::with_context(eddy::ready(eddy::ok(2)), text)), 2);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(eddy::with_context(eddy::result<int>(std::unexpect, refused()), text).error().chain().front(), "call 1");
    EXPECT_EQ(eddy::wait(fails_with_code().with_context(text)).error().chain().front(), "call 2");
}

TEST(WithContext, FutureCanBeAwaitedByTry) {
    const auto load = [](std::string name) -> task<any_result<int>> {
        co_return co_await try_(passes(parse_error{3}).with_context("load " + name));
    };
    const auto failed = eddy::wait(load("app.json"));
    EXPECT_EQ(failed.error().message(), "load app.json: line 3: no colon");
    EXPECT_EQ(failed.error().places().size(), 3u);
}

// ---- Texts ----

TEST(AnyError, StreamPrintsOneLine) {
    std::ostringstream text;
    text << eddy::wait(passes(parse_error{3})).error().context("load");
    EXPECT_EQ(text.str(), "load: line 3: no colon");
}

template <class E>
std::string printed(const E& error) {
    std::ostringstream text;
    text << error;
#ifdef __cpp_lib_format
    EXPECT_EQ(std::format("{}", error), text.str());
#endif
    return text.str();
}

TEST(AnyError, ErrorClassesPrintTheirTexts) {
    const std::string closed = make_error_code(eddy::errc::channel_closed).message();
    EXPECT_EQ(printed(eddy::sync::recv_error()), closed);
    EXPECT_EQ(printed(eddy::sync::try_recv_error::closed), closed);
    EXPECT_EQ(printed(eddy::sync::send_error<int>(1)), closed);
    EXPECT_EQ(printed(eddy::sync::acquire_error()), make_error_code(eddy::errc::semaphore_closed).message());
    EXPECT_EQ(printed(eddy::sync::broadcast_error(eddy::sync::broadcast_error::kinds::closed)), closed);
    EXPECT_EQ(printed(eddy::time::elapsed()), "deadline has elapsed");
    EXPECT_EQ(printed(eddy::join_error(3, std::make_exception_ptr(std::logic_error("x")))), "task 3 threw: x");
    EXPECT_EQ(printed(any_error(refused()).context("dial")), "dial: " + refused().message());
}

TEST(AnyError, JsonHasAllParts) {
    const auto error = eddy::wait(fails("a \"quoted\"\n\\ text\x01")).error().context("start");
    const std::string file = std::source_location::current().file_name();
    const std::string text = error.to_json();
    EXPECT_TRUE(text.starts_with(
        R"({"message":"start: a \"quoted\"\u000a\\ text\u0001","context":["start"],"cause":"a \"quoted\"\u000a\\ text\u0001","code":)" +
        std::to_string(static_cast<int>(eddy::errc::other)) + R"(,"category":"eddy","places":[{"file":")" + file +
        R"(","line":)" + std::to_string(line_of_return) + R"(,"function":")"))
        << text;
    EXPECT_TRUE(text.ends_with("\"}]}")) << text;
    const auto two = any_error(refused()).context("b").context("a").to_json();
    EXPECT_NE(two.find(R"("context":["a","b"])"), std::string::npos) << two;
    EXPECT_NE(two.find(R"("category":")" + std::string(refused().category().name()) + '"'), std::string::npos);
}

TEST(AnyError, ValueExplainsTheError) {
    const any_result<int> failed(std::unexpect, any_error(parse_error{3}).context("load"));
    try {
        static_cast<void>(failed.value());
        FAIL();
    } catch (const std::bad_expected_access<any_error>& e) {
        EXPECT_NE(std::string(e.what()).find("load: line 3: no colon"), std::string::npos) << e.what();
        EXPECT_TRUE(e.error().is<parse_error>());
    }
}

#ifdef __cpp_lib_format
TEST(AnyError, FormatPrintsMessageOrReport) {
    const auto error = eddy::wait(passes(parse_error{3})).error();
    EXPECT_EQ(std::format("{}", error), error.message());
    EXPECT_EQ(std::format("{:>20}", error), "    line 3: no colon");
    EXPECT_EQ(std::format("{:#}", error), error.report());
}
#endif

}  // namespace
