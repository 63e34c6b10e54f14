// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/handled_select.hpp>
#include <eddy/future/detail/holds_closure.hpp>

// Branches of a select with handlers, as `pattern = future => handler` in Tokio's select!.

namespace eddy {

/// A branch of a select with its handler. Created by on().
/// Lifetime: owns the source and the handler.
template <class Source, class Fn>
struct [[nodiscard("pass it to select or select_loop")]] handled_branch {
    Source source;  ///< a future, a stream, a std::reference_wrapper of one, or a function that makes a future
    Fn handler;     ///< called with the output

    /// For use by on().
    template <class S, class F>
    handled_branch(std::in_place_t, S&& from, F&& handles)
        : source(std::forward<S>(from)), handler(std::forward<F>(handles)) {}
};

/// A branch with a handler, for select, select_biased, select_loop and select_loop_biased. The handler runs when
/// `source` is the first one that is ready, after the other branches were destroyed. It takes the output of `source`:
///
///     co_await select(on(rx.recv(), [&](std::optional<job> next) { ... }),
///                     on(tick.tick(), [&] { ... }),
///                     on(stop.cancelled(), [&]() -> task<void> { co_await goodbye(stream); }));
///
/// `source` is a future, or a function that returns one. For a condition, write `on(when(condition, future), handler)`.
/// select_loop() has more kinds of sources.
///
/// If the handler returns a future, as a coroutine does, the select waits for it. A handler takes the parts of an
/// output that has parts (`net::accepted`). It may have no parameter, unless the output is an expected, whose error
/// would be lost.
/// Cancel safety: same as the source; then, same as the handler's future.
/// Lifetime: `source` is moved in; use std::ref to borrow one. The handler is moved in. It lives until its future has
/// ended, so it may be a coroutine with captures.
/// Cost: no allocation.
template <class S, class Fn>
[[nodiscard]] auto on(S&& source, Fn&& handler) {
    return detail::make_if<detail::check_source<S>(), handled_branch<detail::kept_fn_t<S>, detail::kept_fn_t<Fn>>>(
        std::in_place, std::forward<S>(source), std::forward<Fn>(handler));
}

}  // namespace eddy
