// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <eddy/future.hpp>
#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include "support/net.hpp"

// Servers of eddy::http over TCP.

namespace support {

/// Serves on a free port while `script(address, token)` runs, then cancels the token, which shuts the server down.
/// Returns the report of the server.
template <class Script>
eddy::task<eddy::net::serve_report> serve_http_during(eddy::http::service app, eddy::http::serve_options options,
                                                      Script& script) {
    auto bound = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
    auto listener = std::move(bound).value();
    const auto address = listener.local_addr().value();
    const eddy::sync::cancellation_token end;
    auto serving = eddy::http::serve(std::move(listener), std::move(app), std::move(options.shutdown(end)));
    const auto play = [&]() -> eddy::task<bool> {
        co_await script(address, end);
        end.cancel();
        co_return true;
    };
    auto both = eddy::join(std::move(serving), play());
    auto [report, has_played] = co_await both;
    EXPECT_TRUE(has_played);
    co_return report.value();
}

/// Receives until the connection ends.
template <class Stream>
eddy::task<std::string> receive_all(Stream& from) {
    std::string text;
    std::array<std::byte, 4096> some{};
    for (;;) {
        const auto count = co_await eddy::io::read(from, some);
        if (!count || *count == 0) co_return text;
        text += text_of(std::span(some).first(*count));
    }
}

}  // namespace support
