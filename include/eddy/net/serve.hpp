// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::net {

/// The options of serve(): `serve_options().max_connections(1000).shutdown(token).drain(5s)`.
/// Thread safety: one thread at a time.
class serve_options {
public:
    /// The default options.
    serve_options() noexcept = default;

    /// Sets how many connections are served at the same time. Further connections wait in the listener's queue. The
    /// system refuses connections when that queue is full. Unlimited by default. 0 is treated as 1.
    serve_options& max_connections(std::size_t most) noexcept {
        most_ = most == 0 ? 1 : most;
        return *this;
    }
    /// Sets a token that ends the server. After its cancellation, serve() accepts no further connections, and ends when
    /// all connections have ended. To inform handlers, give them a copy of the token.
    serve_options& shutdown(const sync::cancellation_token& token) {
        shutdown_ = token;
        return *this;
    }
    /// Sets how long connections may continue after that cancellation, or after a failure of the listener. Then they
    /// are aborted. 30 seconds by default.
    serve_options& drain(std::chrono::nanoseconds limit) noexcept {
        drain_ = limit;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t max_connections() const noexcept { return most_; }
    [[nodiscard]] const std::optional<sync::cancellation_token>& shutdown() const noexcept { return shutdown_; }
    [[nodiscard]] std::chrono::nanoseconds drain() const noexcept { return drain_; }

private:
    std::size_t most_ = std::numeric_limits<std::size_t>::max();
    std::optional<sync::cancellation_token> shutdown_;
    std::chrono::nanoseconds drain_ = std::chrono::seconds(30);
};

/// The result of serve(): counts of connections.
/// Thread safety: a plain value.
struct serve_report {
    std::uint64_t accepted = 0;       ///< connections that the listener accepted
    std::uint64_t failed = 0;         ///< of these: the handler threw an exception, or returned an error
    std::uint64_t aborted = 0;        ///< of these: had not ended when the drain time was over
    std::uint64_t accept_errors = 0;  ///< failed accepts: no descriptor, no memory, or the connection was gone

    /// Makes a report of zeros.
    serve_report() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

}  // namespace eddy::net

namespace eddy::detail {

/// Returns whether an accept that failed with `error` may succeed later.
[[nodiscard]] EDDY_API bool may_accept_later(const std::error_code& error) noexcept;

/// The work of one connection's task: calls the handler on the task's thread, and keeps the handler alive.
template <class H, class Accepted>
class served_connection {
public:
    served_connection(std::shared_ptr<H> handler, Accepted&& connection)
        : handler_(std::move(handler)), connection_(std::move(connection)) {}

    decltype(auto) operator()() {
        if constexpr (std::is_invocable_v<H&, decltype(Accepted::stream), decltype(Accepted::peer)>) {
            return std::invoke(*handler_, std::move(connection_.stream), std::move(connection_.peer));
        } else {
            return std::invoke(*handler_, std::move(connection_.stream));
        }
    }

private:
    std::shared_ptr<H> handler_;
    Accepted connection_;
};

}  // namespace eddy::detail

namespace eddy::net {

/// The future of serve().
/// Cancel safety: safe. All connections are aborted.
/// Thread safety: one thread at a time.
/// Lifetime: the future must not move after its first poll.
template <class L, class H, bool Marked>
class [[nodiscard("a server does nothing until it is awaited")]] serve_future
    : public future_ops<serve_future<L, H, Marked>, Marked> {
    using work = detail::served_connection<H, typename L::accepted_type>;
    using served = detail::work_output_t<work>;

public:
    using output_type = result<serve_report>;

    /// Takes ownership of the arguments.
    template <class G>
    serve_future(L&& from, G&& handler, serve_options&& options)
        : listener_(std::move(from)),
          handler_(std::make_shared<H>(std::forward<G>(handler))),
          options_(std::move(options)) {}

    /// Implements future.
    poll_result<output_type> poll(context& cx) {
        if (has_ended_) throw misuse("serve() was awaited after it had ended: await it once", cx.where());
        reap(cx);  // before any accept: many new connections would use up the budget, and no ended one would be removed
        do {
            accept_all(cx);
        } while (reap(cx) && listener_);  // an ended connection makes capacity for a new one
        if (listener_) return not_ready;
        if (!connections_.is_empty()) {
            abort_when_late(cx);
            return not_ready;
        }
        has_ended_ = true;
        if (failure_) return output_type(std::unexpect, failure_);
        return output_type(report_);
    }

private:
    void accept_all(context& cx) {
        if (!listener_ || is_shutdown_requested(cx)) return;
        while (connections_.len() < options_.max_connections() && cx.consume_budget()) {
            auto answer = listener_->poll_accept(cx);
            if (!answer) return cx.refund_budget();
            if (!*answer) return refused(answer->error(), cx);
            ++report_.accepted;
            connections_.spawn(work(handler_, *std::move(*answer)));
        }
    }

    bool is_shutdown_requested(context& cx) {
        if (!options_.shutdown()) return false;
        if (!shutdown_signal_) shutdown_signal_.emplace(options_.shutdown()->cancelled_owned());
        if (!shutdown_signal_->poll(cx)) return false;
        begin_drain();
        return true;
    }

    void refused(const std::error_code& error, context& cx) {
        if (!detail::may_accept_later(error)) {
            failure_ = error;
            return begin_drain();
        }
        // The listener itself delays the next accept. That accept is made in the next poll: a listener that does not
        // delay could keep this loop running.
        ++report_.accept_errors;
        cx.waker().wake_by_ref();
    }

    void begin_drain() {
        listener_.reset();
        drained_.emplace(time::sleep(options_.drain()));
    }

    /// Counts and removes connections that have ended. Returns whether there was one.
    bool reap(context& cx) {
        for (bool has_one = false;; has_one = true) {
            const auto ended = connections_.poll_next(cx);
            if (!ended || !*ended) return has_one;
            count(**ended);
        }
    }

    void count(const std::expected<served, join_error>& ended) noexcept {
        if (!ended) {
            ++(ended.error().is_cancelled() ? report_.aborted : report_.failed);
        } else if constexpr (detail::is_expected<served>) {
            if (!*ended) ++report_.failed;
        }
    }

    void abort_when_late(context& cx) {
        if (!drained_ || !drained_->poll(cx)) return;
        drained_.reset();
        connections_.abort_all();
    }

    std::optional<L> listener_;  // empty when the server drains
    std::shared_ptr<H> handler_;
    serve_options options_;
    join_set<served> connections_;
    std::optional<sync::cancellation_token::owned_cancelled_future> shutdown_signal_;
    std::optional<time::sleep_future> drained_;
    std::error_code failure_;
    serve_report report_;
    bool has_ended_ = false;
};

/// Accepts connections. Runs `handler(stream, peer)`, or `handler(stream)`, for each connection in a separate task. To
/// end the server, see serve_options::shutdown(). It then accepts no further connections, and waits until all
/// connections have ended or the drain time is over. Returns a serve_report.
///     const auto handler = [end](tcp_stream client) { return talk(std::move(client), end); };  // named, for GCC 12
///     auto options = serve_options().max_connections(1000).shutdown(end).drain(5s);
///     co_await try_(serve(std::move(listener), handler, options));
/// The handler is called on the threads of the tasks, possibly on several threads at the same time. An exception or an
/// error of the handler ends only its connection. It is counted and discarded.
///
/// Errors: a permanent error of the listener, after the connections were drained. Temporary errors are counted, and
/// accepting continues: no descriptors, no memory, or a connection that was gone before it was accepted
/// (connection_aborted, connection_reset).
/// Cancel safety: safe. All connections are aborted.
/// Thread safety: the future on one thread at a time. The handler must be safe to call on several threads.
/// Lifetime: the listener and the handler are moved into the future.
/// Cost: one allocation for the handler; for each connection, that of a task.
template <class L, class H>
[[nodiscard]] auto serve(L listener_in, H&& handler, serve_options options = serve_options()) {
    constexpr bool listens = listener<L>;
    static_assert(listens, "eddy: serve takes a listener: poll_accept(context&), local_addr(), accepted_type");
    if constexpr (listens) {
        using accepted_type = typename L::accepted_type;
        using kept = std::decay_t<H>;
        constexpr bool fits =
            std::is_invocable_v<kept&, decltype(accepted_type::stream), decltype(accepted_type::peer)> ||
            std::is_invocable_v<kept&, decltype(accepted_type::stream)>;
        static_assert(fits,
                      "eddy: the handler given to serve must take a stream and an address, or a stream, by value");
        if constexpr (fits) {
            return serve_future<L, kept, detail::is_fragile<H>>(std::move(listener_in), std::forward<H>(handler),
                                                                std::move(options));
        } else {
            return eddy::detail::broken_future();
        }
    } else {
        return eddy::detail::broken_future();
    }
}

}  // namespace eddy::net
