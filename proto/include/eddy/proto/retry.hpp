// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <system_error>
#include <utility>

#include <eddy/future/detail/outcome.hpp>
#include <eddy/proto/retry_policy.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/backoff.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

template <class S>
class retrying_service : public layered<retrying_service<S>, S> {
public:
    retrying_service(S&& inner, proto::retry_policy policy)
        : layered<retrying_service<S>, S>(std::move(inner)), policy_(std::move(policy)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        proto::retry_budget budget = policy_.budget();
        budget.deposit();
        time::backoff delays = policy_.delays();
        delays.reset();
        for (;;) {
            proto::request_t<S> copy = request;
            auto answer = co_await this->next(std::move(copy), mode);
            if (answer) co_return answer;
            const auto& is_worth = policy_.when();
            if (is_worth && !is_worth(convert_error<std::error_code>(answer.error()))) co_return answer;
            const auto delay = delays.next();
            if (!delay || !budget.withdraw()) co_return answer;
            co_await time::sleep(*delay);
        }
    }

private:
    proto::retry_policy policy_;
};

}  // namespace eddy::detail

namespace eddy::proto {

/// Returns a layer that repeats calls that fail, as `policy` says. The output is the output of the last attempt. The
/// request is copied for each attempt, and must be safe to repeat: a call that failed may have had an effect. A call is
/// not repeated after an exception.
///
/// Put timeout() inside of this layer to limit each attempt, or outside of this layer to limit all attempts together.
/// Errors: any error of the last attempt.
/// Cost: a copy of the request for each attempt, and the lock of the budget.
[[nodiscard]] inline auto retry(retry_policy policy) {
    return layer([policy = std::move(policy)]<class S>(S inner) {
        constexpr bool copies = std::copy_constructible<request_t<S>>;
        static_assert(
            copies,
            "eddy: retry() repeats a request, so the request type must be copyable; for http::request, make the "
            "request in the function that eddy::retry(backoff, function) repeats");
        return detail::retrying_service<S>(std::move(inner), policy);
    });
}

}  // namespace eddy::proto
