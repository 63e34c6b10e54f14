// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <system_error>

#include <eddy/http/client.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/response.hpp>
#include <eddy/proto/retry_policy.hpp>
#include <eddy/time/backoff.hpp>
#include <eddy/time/clock.hpp>

#include "client/exchange.hpp"

namespace eddy::detail {

/// Decides after which outcomes a request is repeated by client_options::retries(), and when. A request and its
/// redirects have one object, which is made when the time of client_options::timeout() begins.
/// Thread safety: one thread at a time.
class request_retries {
public:
    explicit request_retries(const http::client_options& from);

    /// Returns whether the options permit repetitions.
    [[nodiscard]] bool are_on() const noexcept { return policy_.has_value(); }

    /// A request without a response.
    struct failure {
        http::method method;
        http::phase phase;
        std::error_code why;
        repeat again;
        bool is_sent;  // a part of the request may have arrived at a server

        failure(http::method what, http::phase when, std::error_code code, repeat allowed, bool sent) noexcept
            : method(what), phase(when), why(code), again(allowed), is_sent(sent) {}
    };
    /// Returns how long to wait before the request is repeated, or nullopt if it is not. The wait ends before the
    /// timeout.
    [[nodiscard]] std::optional<time::duration> wait_after(const failure& of);
    [[nodiscard]] std::optional<time::duration> wait_after(const http::response& answer);

private:
    [[nodiscard]] std::optional<time::duration> next(time::duration least);

    std::optional<proto::retry_policy> policy_;
    std::optional<time::backoff> delays_;  // if there is a policy
    time::duration longest_;               // of Retry-After
    time::time_point end_;                 // of the time for all attempts
};

}  // namespace eddy::detail
