// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/on.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// The return value of a handler of select_loop(): continues the loop, or ends it.
enum class flow : std::uint8_t {
    next,  ///< the loop waits for the next event
    stop   ///< the loop ends
};

namespace detail {

/// The handler of until().
struct stop_loop {
    flow operator()() const noexcept { return flow::stop; }
    template <class V>
    auto operator()(V&& output) const {
        if constexpr (is_expected<std::remove_cvref_t<V>>) {
            using error = typename std::remove_cvref_t<V>::error_type;
            if (output) return std::expected<flow, error>(flow::stop);
            return std::expected<flow, error>(std::unexpect, std::forward<V>(output).error());
        } else {
            return flow::stop;
        }
    }
};

}  // namespace detail

/// A branch of select_loop() that ends the loop when `future` is ready: `until(stop.cancelled())`. If its output is an
/// expected with an error, the loop ends with that error.
/// Cancel safety: same as the future.
/// Lifetime: the future is moved in, and kept for the whole loop; use std::ref to borrow it.
template <class F>
[[nodiscard]] auto until(F&& future) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return eddy::on(std::forward<F>(future), detail::stop_loop());
    }
}

}  // namespace eddy
