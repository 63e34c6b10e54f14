// SPDX-License-Identifier: MIT
// The error codes of the category "eddy".
#include <eddy/error.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <system_error>

namespace {

using eddy::errc;

constexpr auto last = errc::regular_file;

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
    EXPECT_EQ(make_error_code(errc::regular_file), std::errc::operation_not_permitted);
    EXPECT_EQ(make_error_code(errc::invalid_utf8), std::errc::illegal_byte_sequence);
    EXPECT_EQ(make_error_code(errc::frame_too_large), std::errc::message_size);
    EXPECT_EQ(make_error_code(errc::line_too_long), std::errc::message_size);
    EXPECT_EQ(make_error_code(errc::bad_frame_length), std::errc::bad_message);
    EXPECT_EQ(make_error_code(errc::unexpected_answer), std::errc::bad_message);
    EXPECT_EQ(make_error_code(errc::channel_closed).default_error_condition(),
              std::error_condition(static_cast<int>(errc::channel_closed), eddy::error_category()));
}

}  // namespace
