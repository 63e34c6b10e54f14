// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>

namespace eddy::signal {

/// Returns a token that Ctrl-C (SIGINT) or SIGTERM cancels: the request of a terminal, a service manager or a container
/// to end a server.
///     const auto stop = co_await try_(signal::shutdown_token());
///     co_await try_(net::serve(std::move(listener), handler, net::serve_options().shutdown(stop)));
/// If the token is cancelled already, a further signal ends the program immediately, without destructors. The exit code
/// of the program is then 128 plus the number of the signal. If no task has waited for the token when the first signal
/// arrived, the program prints that before.
///
/// The function listens from its call on, in background tasks of this runtime or event loop.
/// Errors: same as stream(). Throws misuse without an event loop.
/// Thread safety: any thread.
/// Cost: two tasks and two descriptors, until the runtime or event loop ends.
[[nodiscard]] EDDY_API result<sync::cancellation_token> shutdown_token(
    std::source_location where = std::source_location::current());

/// Returns a token that is cancelled `delay` after `ending`. Between the two, a server says that it is about to end,
/// and still accepts connections, so that a load balancer sends it no more of them before it refuses any:
///     const auto ending = co_await try_(signal::shutdown_token());
///     app.get("/health", http::health(ending));
///     const auto end = signal::shutdown_delayed(ending, 5s);
///     co_await try_(http::serve(std::move(listener), app, http::serve_options().shutdown(end)));
/// Errors: throws misuse without an event loop.
/// Thread safety: any thread.
/// Cost: a background task until the runtime or event loop ends.
[[nodiscard]] EDDY_API sync::cancellation_token shutdown_delayed(
    const sync::cancellation_token& ending, std::chrono::nanoseconds delay,
    std::source_location where = std::source_location::current());

}  // namespace eddy::signal
