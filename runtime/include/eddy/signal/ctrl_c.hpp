// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/signal/signal_stream.hpp>

namespace eddy::signal {

/// The future of ctrl_c().
class [[nodiscard("co_await it")]] EDDY_API ctrl_c_future : public future_ops<ctrl_c_future> {
public:
    using output_type = result<void>;

    explicit ctrl_c_future(std::source_location where) noexcept : where_(where) {}

    poll_result<result<void>> poll(context& cx);

private:
    std::optional<signal_stream> signals_;  // from the first poll on
    std::source_location where_;
};

/// Waits until the user types Ctrl-C (SIGINT). It listens from the first poll on. An earlier Ctrl-C has its default
/// effect: it ends the program.
///     co_await eddy::select(serve(listener), signal::ctrl_c());
/// In a loop, make the future once, before the loop, and pass std::ref. Then it does not miss a Ctrl-C while the loop's
/// body runs. A new future for each select() would miss it:
///     auto stop = signal::ctrl_c();
///     for (;;) {
///         auto event = co_await eddy::select(lines.next(), std::ref(stop));
///         ...
///     }
///
/// After the first poll, Ctrl-C no longer ends the program, even if there are no waiters: see stream(). There may be
/// any number of waiters; each Ctrl-C wakes all of them. If several Ctrl-C must not be missed, use
/// stream(kind::interrupt()).
/// Errors: same as stream(); errc::runtime_shutdown if the event loop ends. When awaited, throws misuse without an
/// event loop.
[[nodiscard]] inline ctrl_c_future ctrl_c(std::source_location where = std::source_location::current()) noexcept {
    return ctrl_c_future(where);
}

}  // namespace eddy::signal
