// SPDX-License-Identifier: MIT
#include <eddy/http/service.hpp>

#include <optional>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/http/error.hpp>

namespace eddy::detail {

namespace {

task<result<http::response>> with_result(task<http::response> answer) { co_return co_await std::move(answer); }

}  // namespace

bool service_answer::poll_into(context& cx, slot<http::response>& into, std::optional<std::error_code>& failure) {
    const std::source_location awaited_at = cx.where();  // the awaits of the service change it
    const auto poll_one = [&]<class T>(task<T>& work, slot<T>& outcome) {
        if (!eddy::poll_into(work, outcome, cx)) return false;
        if (!outcome.has_value()) static_cast<void>(outcome.take(awaited_at));  // throws
        return true;
    };
    if (is_plain_) return poll_one(plain_, into);
    slot<result<http::response>> outcome;
    if (!poll_one(fallible_, outcome)) return false;
    if (auto& answer = outcome.value()) {
        into.set_value(*std::move(answer));
    } else {
        failure = answer.error();
    }
    return true;
}

poll_result<void> service_answer::poll_cancel(context& cx) {
    return is_plain_ ? plain_.poll_cancel(cx) : fallible_.poll_cancel(cx);
}

http::status status_of_service_error(const std::error_code& failure) noexcept {
    if (failure == http::errc::body_too_large) return http::status::content_too_large;
    if (failure == http::errc::bad_form) return http::status::bad_request;
    return http::status::internal_server_error;
}

task<result<http::response>> service_answer::as_task() && {
    if (is_plain_) return with_result(std::move(plain_));
    return std::move(fallible_);
}

}  // namespace eddy::detail
