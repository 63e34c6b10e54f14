// SPDX-License-Identifier: MIT
// The error codes of the category "eddy".
// runs: asan, plain
#include <eddy/error.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <expected>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

namespace {

using eddy::errc;

constexpr auto last = errc::other;

TEST(Errc, EachCodeHasATextOfItsOwn) {
    const auto& category = eddy::error_category();
    const std::string unknown = category.message(static_cast<int>(last) + 1);
    EXPECT_EQ(unknown, "unknown eddy error");
    std::set<std::string> texts{unknown};
    for (int code = 1; code <= static_cast<int>(last); ++code) {
        EXPECT_TRUE(texts.insert(category.message(code)).second) << code << ": " << category.message(code);
    }
}

TEST(Errc, EqualsTheConditionsOfTheDocumentation) {
    EXPECT_EQ(make_error_code(errc::timed_out), std::errc::timed_out);
    EXPECT_EQ(make_error_code(errc::task_cancelled), std::errc::operation_canceled);
    for (const errc code : {errc::no_address, errc::bad_address, errc::blocking_descriptor, errc::unknown_driver,
                            errc::bad_worker_count, errc::bad_path, errc::forbidden_signal, errc::not_a_pipe}) {
        EXPECT_EQ(make_error_code(code), std::errc::invalid_argument) << make_error_code(code).message();
    }
    EXPECT_EQ(make_error_code(errc::unix_name_too_long), std::errc::filename_too_long);
    EXPECT_EQ(make_error_code(errc::driver_unavailable), std::errc::not_supported);
    EXPECT_EQ(make_error_code(errc::affinity_unsupported), std::errc::not_supported);
    EXPECT_EQ(make_error_code(errc::regular_file), std::errc::operation_not_permitted);
    EXPECT_EQ(make_error_code(errc::already_registered), std::errc::file_exists);
    EXPECT_EQ(make_error_code(errc::invalid_utf8), std::errc::illegal_byte_sequence);
    EXPECT_EQ(make_error_code(errc::frame_too_large), std::errc::message_size);
    EXPECT_EQ(make_error_code(errc::line_too_long), std::errc::message_size);
    EXPECT_EQ(make_error_code(errc::bad_frame_length), std::errc::bad_message);
    EXPECT_EQ(make_error_code(errc::unexpected_answer), std::errc::bad_message);
    EXPECT_EQ(make_error_code(errc::channel_closed).default_error_condition(),
              std::error_condition(static_cast<int>(errc::channel_closed), eddy::error_category()));
}

// ---- value() of an outcome with an error class of the library ----

/// Returns the text of the exception of value().
template <class E>
std::string text_of_access(E error) {
    try {
        std::expected<int, E> failed(std::unexpect, std::move(error));
        static_cast<void>(failed.value());
    } catch (const std::bad_expected_access<E>& e) {
        return e.what();
    }
    return "(nothing was thrown)";
}

TEST(ErrorAccess, ExceptionOfValueContainsTheError) {
    const std::string before = "value() was called on an outcome with an error: ";
    const std::string after = ". Test the outcome first, or write co_await try_(...)";
    const auto thrown = std::make_exception_ptr(std::runtime_error("boom"));
    EXPECT_EQ(text_of_access(eddy::join_error(7, thrown)), before + "task 7 threw: boom" + after);
    EXPECT_EQ(text_of_access(eddy::sync::send_error<int>(1)), before + "the other end of the channel is gone" + after);
    EXPECT_EQ(text_of_access(eddy::sync::recv_error()), before + "the other end of the channel is gone" + after);
    EXPECT_EQ(text_of_access(eddy::sync::try_send_error<int>(eddy::sync::try_send_reason::closed, 1)),
              before + "the other end of the channel is gone" + after);
    EXPECT_EQ(text_of_access(eddy::sync::try_recv_error::closed),
              before + "the other end of the channel is gone" + after);
    EXPECT_EQ(text_of_access(eddy::time::elapsed()), before + "deadline has elapsed" + after);
    EXPECT_EQ(text_of_access(eddy::sync::acquire_error()), before + "the semaphore is closed" + after);
    EXPECT_EQ(text_of_access(eddy::sync::broadcast_error(eddy::sync::broadcast_error::kinds::lagged, 3)),
              before + eddy::make_error_code(errc::receiver_lagged).message() + after);
}

TEST(ErrorAccess, ErrorsOfChannelsConvertToErrorCodes) {
    using eddy::sync::try_recv_error;
    using eddy::sync::try_send_error;
    using eddy::sync::try_send_reason;
    const std::error_code full = std::make_error_code(std::errc::resource_unavailable_try_again);
    EXPECT_EQ(try_send_error<int>(try_send_reason::full, 1).to_error_code(), full);
    EXPECT_EQ(try_send_error<int>(try_send_reason::closed, 1).to_error_code(), errc::channel_closed);
    EXPECT_EQ(std::error_code(try_recv_error::empty), full);
    EXPECT_EQ(std::error_code(try_recv_error::closed), errc::channel_closed);
}

eddy::task<eddy::result<int>> take_or_end(std::expected<int, eddy::sync::try_recv_error> received) {
    const int number = co_await eddy::try_(received);
    co_return number;
}

TEST(ErrorAccess, TryEndsTheCoroutineWithTheErrorOfTryRecv) {
    EXPECT_EQ(eddy::core().run(take_or_end(7)).value(), 7);
    const auto closed = eddy::core().run(take_or_end(std::unexpected(eddy::sync::try_recv_error::closed)));
    EXPECT_EQ(closed.error(), errc::channel_closed);
}

TEST(ErrorAccess, ExceptionContainsTheErrorObject) {
    std::expected<int, eddy::sync::send_error<int>> failed(std::unexpect, 41);
    try {
        failed.value();
        ADD_FAILURE() << "nothing was thrown";
    } catch (std::bad_expected_access<eddy::sync::send_error<int>>& e) {
        EXPECT_EQ(e.error().value, 41);
        EXPECT_EQ(std::move(e).error().value, 41);
    }
}

}  // namespace
