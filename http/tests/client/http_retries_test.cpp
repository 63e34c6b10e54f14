// SPDX-License-Identifier: MIT
// After which outcomes a client repeats a request, and when.
// runs: once
#include <eddy/http.hpp>

#include <eddy/error.hpp>
#include <eddy/net.hpp>
#include <eddy/proto/retry.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <netdb.h>

#include <chrono>
#include <optional>
#include <string>
#include <system_error>

#include "client/request_retries.hpp"
#include "message/syntax.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::repeat;
using eddy::detail::request_retries;
using http_phase = eddy::http::phase;
namespace http = eddy::http;
namespace proto = eddy::proto;

/// Delays of 1, 2 and 4 ms.
proto::retry_policy quick() {
    return proto::retry_policy(eddy::time::backoff(1ms).max_retries(3).jitter(0)).budget(proto::retry_budget(0, 1000));
}

http::client_options with(const proto::retry_policy& policy) { return http::client_options().retries(policy); }

bool repeats(http::method what, http_phase when, std::error_code why, repeat again, bool is_sent) {
    request_retries retries(with(quick()));
    return retries.wait_after({what, when, why, again, is_sent}).has_value();
}

TEST(HttpRetries, RequestsWithoutConnectionAreRepeated) {
    const auto refused = make_error_code(std::errc::connection_refused);
    for (const auto what : {http::method::get, http::method::post, http::method::patch})
        for (const auto when : {http_phase::connect, http_phase::proxy})
            EXPECT_TRUE(repeats(what, when, refused, repeat::never, false));
    EXPECT_TRUE(
        repeats(http::method::post, http_phase::connect, make_error_code(eddy::errc::timed_out), repeat::never, false));
}

TEST(HttpRetries, RequestsThatMayHaveArrivedAreRepeatedIfIdempotent) {
    const auto reset = make_error_code(std::errc::connection_reset);
    for (const auto when : {http_phase::send, http_phase::receive}) {
        for (const auto again : {repeat::never, repeat::if_idempotent}) {
            for (const auto what : {http::method::get, http::method::put, http::method::delete_, http::method::head})
                EXPECT_TRUE(repeats(what, when, reset, again, true));
            for (const auto what : {http::method::post, http::method::patch})
                EXPECT_FALSE(repeats(what, when, reset, again, true));
        }
        for (const auto again : {repeat::always, repeat::over_http1})
            EXPECT_TRUE(repeats(http::method::post, when, reset, again, true));
    }
}

TEST(HttpRetries, ErrorsThatStayAreNotRepeated) {
    const auto get = [](http_phase when, std::error_code why) {
        return repeats(http::method::get, when, why, repeat::never, false);
    };
    for (const auto code :
         {http::errc::bad_url, http::errc::bad_message, http::errc::header_too_large, http::errc::no_tls,
          http::errc::no_http2, http::errc::bad_proxy, http::errc::proxy_refused}) {
        EXPECT_FALSE(get(http_phase::proxy, code));
        EXPECT_FALSE(repeats(http::method::get, http_phase::receive, code, repeat::never, true));
    }
    const std::error_code unknown(EAI_NONAME, eddy::net::resolver_category());
    const std::error_code busy(EAI_AGAIN, eddy::net::resolver_category());
    for (const auto when : {http_phase::resolve, http_phase::proxy}) {
        EXPECT_FALSE(get(when, unknown));
        EXPECT_TRUE(get(when, busy));
    }
    EXPECT_FALSE(get(http_phase::resolve, make_error_code(eddy::errc::no_address)));
    for (const auto code : {std::errc::permission_denied, std::errc::operation_not_permitted,
                            std::errc::address_family_not_supported, std::errc::invalid_argument})
        EXPECT_FALSE(get(http_phase::connect, make_error_code(code)));
    EXPECT_FALSE(get(http_phase::body, make_error_code(std::errc::io_error)));
    EXPECT_FALSE(get(http_phase::tls, std::error_code(1, std::generic_category())));
    EXPECT_TRUE(get(http_phase::tls, make_error_code(eddy::errc::unexpected_eof)));
    EXPECT_TRUE(get(http_phase::tls, make_error_code(std::errc::connection_reset)));
}

TEST(HttpRetries, PolicyLimitsRepetitions) {
    const auto refused = make_error_code(std::errc::connection_refused);
    const request_retries::failure failed(http::method::get, http_phase::connect, refused, repeat::never, false);
    request_retries three(with(quick()));
    for (const auto delay : {1ms, 2ms, 4ms}) EXPECT_EQ(three.wait_after(failed), delay);
    EXPECT_EQ(three.wait_after(failed), std::nullopt);
    request_retries other(
        with(quick().when([](const std::error_code& why) { return why != std::errc::connection_refused; })));
    EXPECT_EQ(other.wait_after(failed), std::nullopt);
    request_retries poor(with(quick().budget(proto::retry_budget(1, 0))));  // one request permits one repetition
    EXPECT_EQ(poor.wait_after(failed), 1ms);
    EXPECT_EQ(poor.wait_after(failed), std::nullopt);
    EXPECT_FALSE(request_retries(http::client_options()).are_on());
}

TEST(HttpRetries, WaitThatDoesNotFitIntoTimeoutIsNotPermitted) {
    const request_retries::failure failed(http::method::get, http_phase::connect,
                                          make_error_code(std::errc::connection_refused), repeat::never, false);
    const auto slow = proto::retry_policy(eddy::time::backoff(10s).max_delay(10s).jitter(0));
    EXPECT_EQ(request_retries(with(slow).timeout(9s)).wait_after(failed), std::nullopt);
    EXPECT_EQ(request_retries(with(slow).timeout(1h)).wait_after(failed), 10s);
    http::response busy(http::status::service_unavailable);
    busy.headers.add("Retry-After", "10");
    EXPECT_EQ(request_retries(with(quick()).retry_after(1h).timeout(9s)).wait_after(busy), std::nullopt);
    EXPECT_EQ(request_retries(with(quick()).retry_after(1h).timeout(1h)).wait_after(busy), 10s);
}

http::response answer_with(http::status code, const std::string& after) {
    http::response made(code);
    if (!after.empty()) made.headers.add("Retry-After", after);
    return made;
}

std::optional<eddy::time::duration> wait_after(const http::response& answer, std::chrono::seconds longest) {
    request_retries retries(with(quick()).retry_after(longest).timeout(1h));
    return retries.wait_after(answer);
}

TEST(HttpRetries, RetryAfterIsTheShortestDelay) {
    for (const auto code : {http::status::service_unavailable, http::status::too_many_requests}) {
        EXPECT_EQ(wait_after(answer_with(code, "7"), 10s), 7s);
        EXPECT_EQ(wait_after(answer_with(code, "10"), 10s), 10s);
        EXPECT_EQ(wait_after(answer_with(code, "0"), 10s), 1ms);
        for (const char* const past :
             {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
            EXPECT_EQ(wait_after(answer_with(code, past), 10s), 1ms) << past;
        for (const char* const text :
             {"11", "99999999999", "", "-1", "1.5", "x", "7 s", "Fri, 31 Dec 9999 23:59:59 GMT"})
            EXPECT_EQ(wait_after(answer_with(code, text), 10s), std::nullopt) << text;
        EXPECT_EQ(wait_after(answer_with(code, "0"), 0s), std::nullopt);
    }
    EXPECT_EQ(wait_after(answer_with(http::status::internal_server_error, "0"), 10s), std::nullopt);
    EXPECT_EQ(wait_after(answer_with(http::status::ok, "0"), 10s), std::nullopt);
    const auto later = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + 100s);
    const auto date = eddy::detail::format_date(later);
    const auto wait =
        wait_after(answer_with(http::status::service_unavailable, std::string(date.data(), date.size())), 200s);
    EXPECT_TRUE(wait && *wait > 50s && *wait <= 100s);
}

}  // namespace
