// SPDX-License-Identifier: MIT
// HTTP/2 of a client of which one allocation fails.
// runs: memory
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "client/exchange.hpp"
#include "h2/http2.hpp"
#include "support/failing_allocations.hpp"
#include "support/http/http2_peer.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using peer = support::http2_peer;
using support::allocations_left;
using support::no_limit;
using support::one_has_failed;
namespace http = eddy::http;
namespace io = eddy::io;

/// Sends a request with a body on a connection whose n-th allocation fails. The server must not get other bytes as the
/// body. Returns whether an allocation has failed.
task<bool> upload_with_failure(long nth) {
    auto [near, far] = io::duplex(64 * 1024);
    const std::string body(5000, 'a');
    const auto on = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
    http::request asked(http::method::post, "/");
    asked.body = std::string(body);
    const auto exchange = eddy::detail::start_http2_exchange(on, asked, http::url::parse("http://a/").value());
    allocations_left = nth;
    co_await eddy::yield_now();  // the connection takes the request
    const bool has_failed = std::exchange(allocations_left, no_limit) == one_has_failed;
    std::string preface(24, '\0');
    const auto begun =
        co_await eddy::time::timeout(1s, io::read_exact(far, std::as_writable_bytes(std::span(preface))));
    if (!begun || !*begun || !preface.starts_with("PRI ")) co_return has_failed;
    peer one(std::move(far));
    const auto reading = [&]() -> task<bool> {
        for (;;) {
            const auto part = co_await one.next(peer::data);
            if (part.is_end) co_return true;
            EXPECT_EQ(part.payload.find_first_not_of('a'), std::string::npos)
                << "allocation " << nth << ": the server received another body of " << part.payload.size()
                << " bytes, flags " << int{part.flags};
            if (part.flags == peer::end_stream) co_return true;
        }
    };
    static_cast<void>(co_await eddy::time::timeout(1s, reading()));
    co_return has_failed;
}

TEST(Http2Memory, FailedAllocationDoesNotChangeTheBodyOfARequest) {
    bool has_failed = true;
    for (long nth = 0; has_failed && nth < 500; ++nth)
        eddy::test::run_paused([&]() -> task<void> { has_failed = co_await upload_with_failure(nth); });
}

}  // namespace
