// SPDX-License-Identifier: MIT
#include <eddy/signal.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "signal/shutdown_request.hpp"
#include "sys/print_report.hpp"
#include "sys/signals.hpp"

namespace eddy {

detail::signal_source::~signal_source() {
    if (bell_ != nullptr) sys::close_bell(*bell_);
}

int detail::signal_source::native_handle() const noexcept { return sys::descriptor_of(*bell_); }

void detail::signal_source::silence() noexcept { sys::silence(*bell_); }

namespace signal {
namespace {

/// Prints that a second signal ends the program, and why the first one did not.
void report_ignored(const std::source_location& where) {
    const misuse why(
        "a second signal ends the program, because no task waited for the token of shutdown_token() when the first one "
        "arrived: pass the token to serve_options().shutdown(), or await its cancelled()",
        where);
    sys::print_report("eddy: " + std::string(why.what()) + '\n');
}

task<void> cancel_at(signal_stream signals, std::shared_ptr<detail::shutdown_request> of) {
    while (const auto next = co_await signals.next()) {
        if (of->token().is_cancelled()) {
            if (of->was_ignored()) report_ignored(of->where());
            std::_Exit(128 + next->number());
        }
        of->cancel();
    }
}

task<void> cancel_later(sync::cancellation_token ending, std::chrono::nanoseconds delay, sync::cancellation_token end) {
    co_await ending.cancelled();
    co_await time::sleep(delay);
    end.cancel();
}

}  // namespace

kind kind::real_time(int index) noexcept { return kind(sys::real_time_signal(index)); }

next_future<signal_stream> signal_stream::recv() noexcept { return next(); }

poll_result<std::optional<kind>> signal_stream::poll_next(context& cx) {
    for (;;) {
        const auto count = sys::signals_counted(kind_.number());
        if (count != seen_) {
            if (!cx.consume_budget()) return not_ready;
            seen_ = count;
            return std::optional(kind_);
        }
        const auto event = source_.registration().poll_read_ready(cx);
        if (!event) return not_ready;
        if (!*event) return std::nullopt;
        // A signal that is not in `count` has rung the bell, or will ring it. If it was before silence(), the next
        // iteration sees its count. Otherwise the descriptor becomes ready again.
        source_.source().silence();
        source_.registration().clear_readiness(**event);
    }
}

next_future<signal_info_stream> signal_info_stream::recv() noexcept { return next(); }

poll_result<std::optional<signal_info>> signal_info_stream::poll_next(context& cx) {
    if (!cx.consume_budget()) return not_ready;
    const sys::signal_bell& bell = source_.source().bell();
    for (;;) {
        if (const auto received = sys::next_signal(bell)) return std::optional(described(*received));
        const auto event = source_.registration().poll_read_ready(cx);
        if (!event) {
            cx.refund_budget();
            return not_ready;
        }
        if (!*event) return std::nullopt;
        // A signal after the empty read above makes the descriptor ready again, or the next iteration sees it.
        source_.registration().clear_readiness(**event);
    }
}

signal_info signal_info_stream::described(const sys::received_signal& received) noexcept {
    signal_info it(kind_);
    it.code = received.code;
    if (received.has_sender) {
        it.pid = received.pid;
        it.uid = received.uid;
    }
    if (received.has_value) {
        it.value = received.value;
        it.pointer = received.pointer;
    }
    const auto lost = sys::signals_lost(source_.source().bell());
    it.lost = lost - std::exchange(lost_, lost);
    return it;
}

namespace {

result<detail::signal_source> open_source(kind of, sys::bell_use use) {
    if (auto set = sys::count_signal(of.number()); !set) return std::unexpected(set.error());
    const auto bell = sys::open_bell(of.number(), use);
    if (!bell) return std::unexpected(bell.error());
    return detail::signal_source(**bell);
}

}  // namespace

result<signal_stream> stream(kind of, std::source_location where) {
    auto opened = open_source(of, sys::bell_use::ring);
    if (!opened) return std::unexpected(opened.error());
    const auto seen = sys::signals_counted(of.number());
    auto source = io::poll_evented<detail::signal_source>::make(*std::move(opened), io::interest::readable, where);
    if (!source) return std::unexpected(source.error());
    return signal_stream(of, seen, *std::move(source));
}

result<signal_info_stream> info_stream(kind of, std::source_location where) {
    auto opened = open_source(of, sys::bell_use::keep_info);
    if (!opened) return std::unexpected(opened.error());
    auto source = io::poll_evented<detail::signal_source>::make(*std::move(opened), io::interest::readable, where);
    if (!source) return std::unexpected(source.error());
    return signal_info_stream(of, *std::move(source));
}

result<sync::cancellation_token> shutdown_token(std::source_location where) {
    auto interrupts = stream(kind::interrupt(), where);
    if (!interrupts) return std::unexpected(interrupts.error());
    auto terminations = stream(kind::terminate(), where);
    if (!terminations) return std::unexpected(terminations.error());
    auto request = std::make_shared<detail::shutdown_request>(where);
    spawn_background(cancel_at(*std::move(interrupts), request), where).detach();
    spawn_background(cancel_at(*std::move(terminations), request), where).detach();
    return request->token();
}

sync::cancellation_token shutdown_delayed(const sync::cancellation_token& ending, std::chrono::nanoseconds delay,
                                          std::source_location where) {
    sync::cancellation_token end;
    spawn_background(cancel_later(ending, delay, end), where).detach();
    return end;
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
