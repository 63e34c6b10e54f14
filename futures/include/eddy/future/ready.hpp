// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

/// The future that ready() returns.
template <class T>
class [[nodiscard]] ready_future : public future_ops<ready_future<T>> {
public:
    using output_type = T;

    /// Constructs the output from `output`.
    template <class U>
    explicit ready_future(std::in_place_t, U&& output) : output_(std::in_place, std::forward<U>(output)) {}

    poll_result<T> poll(context& cx) {
        if (!output_) detail::throw_has_ended("ready", cx.where());
        poll_result<T> answer(*std::move(output_));
        output_.reset();
        return answer;
    }

private:
    std::optional<detail::stored_t<T>> output_;
};

/// The future that pending() returns.
template <class T>
class [[nodiscard]] pending_future : public future_ops<pending_future<T>> {
public:
    using output_type = T;

    /// Constructs the future.
    pending_future() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Never ready, and wakes no waker.
    poll_result<T> poll(context&) noexcept { return not_ready; }
};

/// Returns a future that is ready at its first poll, with `value` as its output.
/// Cancel safety: safe, but `value` is lost with the future.
/// Cost: no allocation.
template <class T>
[[nodiscard]] ready_future<std::decay_t<T>> ready(T&& value) {
    return ready_future<std::decay_t<T>>(std::in_place, std::forward<T>(value));
}

/// Returns a future of void that is ready at its first poll.
[[nodiscard]] inline ready_future<void> ready() { return ready_future<void>(std::in_place, std::monostate()); }

/// Returns a future that is never ready; it can only be cancelled.
template <class T = void>
[[nodiscard]] pending_future<T> pending() noexcept {
    return {};
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
