// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/signal/stream.hpp>

namespace eddy::signal {

/// Waits for Ctrl-C: see ctrl_c().
class [[nodiscard("co_await it")]] EDDY_API ctrl_c_future : public future_ops<ctrl_c_future> {
public:
    using output_type = result<void>;

    explicit ctrl_c_future(std::source_location where) noexcept : where_(where) {}

    poll_result<result<void>> poll(context& cx);

private:
    std::optional<signal_stream> signals_;  // from the first poll on
    std::source_location where_;
};

/// Ready when the user has typed Ctrl-C (SIGINT), once this is awaited; one that came before ends the program, as ever.
///     co_await eddy::select(serve(listener), signal::ctrl_c());
/// In a loop make it once and lend it, so that it hears of a Ctrl-C that comes while the loop's body runs; one that is
/// made anew for each select does not:
///     auto stop = signal::ctrl_c();
///     for (;;) {
///         auto event = co_await eddy::select(lines.next(), std::ref(stop));
///         ...
///     }
///
/// From the first wait on, Ctrl-C does not end the program any more, also when nobody waits: see stream(). Any number
/// may wait, and all hear of it. For a second Ctrl-C that must not be missed meanwhile use stream(kind::interrupt()).
/// Errors: as stream(); errc::runtime_shutdown, if the loop ends. Throws misuse, when awaited, without a loop.
/// Cancel safety: safe.
[[nodiscard]] inline ctrl_c_future ctrl_c(std::source_location where = std::source_location::current()) noexcept {
    return ctrl_c_future(where);
}

}  // namespace eddy::signal
