// SPDX-License-Identifier: MIT
#include <eddy/signal.hpp>

#include <utility>

#include <eddy/error.hpp>
#include <eddy/io/interest.hpp>

#include "sys/signals.hpp"

namespace eddy {

detail::signal_event_fd::~signal_event_fd() { sys::unique_fd(fd_).reset(); }

namespace signal {

poll_result<std::optional<kind>> signal_stream::poll_next(context& cx) {
    for (;;) {
        const auto count = sys::signals_counted(kind_.number());
        if (count != seen_) {
            if (!cx.consume_budget()) return not_ready;
            seen_ = count;
            return std::optional(kind_);
        }
        const auto event = event_fd_.registration().poll_read_ready(cx);
        if (!event) return not_ready;
        if (!*event) return std::nullopt;
        // Clears only the readiness that was read above. A signal that is not in `count` has made, or will make, the
        // descriptor ready again.
        event_fd_.registration().clear_readiness(**event);
    }
}

result<signal_stream> stream(kind of, std::source_location where) {
    if (auto set = sys::count_signal(of.number()); !set) return std::unexpected(set.error());
    const auto seen = sys::signals_counted(of.number());
    auto fd = sys::open_signal_eventfd();
    if (!fd) return std::unexpected(fd.error());
    auto event_fd = io::poll_evented<detail::signal_event_fd>::make(detail::signal_event_fd(fd->release()),
                                                                    io::interest::readable, where);
    if (!event_fd) return std::unexpected(event_fd.error());
    return signal_stream(of, seen, *std::move(event_fd));
}

poll_result<result<void>> ctrl_c_future::poll(context& cx) {
    if (!signals_) {
        auto begun = stream(kind::interrupt(), where_);
        if (!begun) return result<void>(std::unexpect, begun.error());
        signals_.emplace(*std::move(begun));
    }
    const auto next = signals_->poll_next(cx);
    if (!next) return not_ready;
    if (!*next) return result<void>(std::unexpect, make_error_code(errc::runtime_shutdown));
    return ok();
}

}  // namespace signal
}  // namespace eddy
