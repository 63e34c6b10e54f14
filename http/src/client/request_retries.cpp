// SPDX-License-Identifier: MIT
#include "client/request_retries.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/lookup_host.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

/// Returns whether an error of the operating system means that a connection is not permitted or not possible.
bool is_lasting(const std::error_code& why) noexcept {
    constexpr std::array lasting = {std::errc::permission_denied, std::errc::operation_not_permitted,
                                    std::errc::address_family_not_supported, std::errc::protocol_not_supported,
                                    std::errc::invalid_argument};
    return std::ranges::any_of(lasting, [&](std::errc each) { return why == each; });
}

/// Returns whether a later attempt may succeed.
bool is_temporary(const request_retries::failure& of) noexcept {
    if (of.phase == http::phase::body || is_lasting(of.why)) return false;
    const auto& category = of.why.category();
    if (category == http::error_category()) return false;  // wrong settings, a refusal, or a violation of the protocol
    const bool is_busy = of.why == std::errc::resource_unavailable_try_again;
    if (of.phase == http::phase::resolve || category == net::resolver_category()) return is_busy;
    if (of.phase != http::phase::tls) return true;
    return of.why == std::errc::connection_reset || of.why == errc::unexpected_eof || of.why == errc::timed_out;
}

/// Returns whether a repetition cannot make a server process the request twice, or whether that does not matter.
bool is_safe(const request_retries::failure& of) noexcept {
    if (!of.is_sent || of.again == repeat::always || of.again == repeat::over_http1) return true;
    return is_idempotent(of.method);
}

/// Returns the time of the field Retry-After from now (RFC 9110, section 10.2.3), or nullopt if it is not valid.
std::optional<std::chrono::seconds> retry_after(const http::response& answer) {
    const auto text = answer.headers.get("Retry-After");
    if (!text) return std::nullopt;
    if (const auto date = parse_date(*text)) {
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        return std::max(std::chrono::seconds(*date) - now.time_since_epoch(), std::chrono::seconds(0));
    }
    const auto seconds = parse_number<std::uint32_t>(*text);
    return seconds ? std::optional(std::chrono::seconds(*seconds)) : std::nullopt;
}

}  // namespace

request_retries::request_retries(const http::client_options& from)
    : policy_(from.retries()),
      longest_(time::round_up(from.retry_after())),
      end_(time::deadline_after(from.timeout())) {
    if (!policy_) return;
    delays_ = policy_->delays();
    delays_->reset();
    auto budget = policy_->budget();
    budget.deposit();
}

std::optional<time::duration> request_retries::next(time::duration least) {
    const auto delay = delays_->next();
    if (!delay) return std::nullopt;
    const auto wait = std::max(*delay, least);
    if (time::deadline_after(wait) >= end_) return std::nullopt;
    auto budget = policy_->budget();
    if (!budget.withdraw()) return std::nullopt;
    return wait;
}

std::optional<time::duration> request_retries::wait_after(const failure& of) {
    if (!is_temporary(of) || !is_safe(of)) return std::nullopt;
    if (policy_->when() && !policy_->when()(of.why)) return std::nullopt;
    return next(time::duration::zero());
}

std::optional<time::duration> request_retries::wait_after(const http::response& answer) {
    const bool is_busy =
        answer.status == http::status::service_unavailable || answer.status == http::status::too_many_requests;
    if (!is_busy || longest_ == time::duration::zero()) return std::nullopt;
    const auto wanted = retry_after(answer);
    // In seconds: a date may be further away than nanoseconds can count.
    if (!wanted || *wanted > std::chrono::floor<std::chrono::seconds>(longest_)) return std::nullopt;
    return next(*wanted);
}

}  // namespace eddy::detail
