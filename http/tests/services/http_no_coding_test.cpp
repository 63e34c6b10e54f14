// SPDX-License-Identifier: MIT
// http::compress() without a coding that it can use. Unlike http_compress_test.cpp, this is also run without zlib.
// runs: once
#include <eddy/http/compress.hpp>

#include <eddy/http/service.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "message/coding.hpp"

namespace {

using eddy::task;
namespace http = eddy::http;

task<http::response> long_text(http::request) { co_return http::response::text(std::string(5000, 'x')); }

/// Returns the fields that a layer adds to a response or changes.
task<std::string> changes_of(http::compress_options options) {
    const auto app = http::service(long_text) | http::compress(options);
    http::request asked;
    asked.headers.add("Accept-Encoding", "*");
    auto answer = co_await app(std::move(asked));
    const auto& fields = answer.value().headers;
    co_return (fields.contains("Vary") ? "Vary " : "") + std::string(fields.get("Content-Encoding").value_or(""));
}

TEST(HttpNoCoding, ResponsesStayAsTheyAre) {
    eddy::test::run_paused([]() -> task<void> {
        auto changes = co_await changes_of(http::compress_options().codings({}));
        EXPECT_EQ(changes, "");
        const std::string first(
            eddy::detail::available_codings().substr(0, eddy::detail::available_codings().find(',')));
        changes = co_await changes_of({});
        EXPECT_EQ(changes, first.empty() ? "" : "Vary " + first);
    });
}

}  // namespace
