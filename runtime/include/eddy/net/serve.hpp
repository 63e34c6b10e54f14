// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/net/detail/served_state.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/detail/stored_work.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/unobserved_error.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::net {

/// The options of serve(): `serve_options().max_connections(1000).shutdown(token).drain(5s)`.
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
    template <class E>
    serve_options& shutdown(const std::expected<sync::cancellation_token, E>&) EDDY_DELETED(EDDY_NEEDS_TOKEN);
    /// Sets how long connections may continue after the cancellation of the shutdown() token, or after a failure of the
    /// listener. Then they are aborted. 30 seconds by default.
    serve_options& drain(std::chrono::nanoseconds limit) noexcept {
        drain_ = limit;
        return *this;
    }

    /// Sets how long idle connections stay open after the cancellation of the shutdown() token, at most for the time of
    /// drain(): the request of a client may be under way. Applies only if the handler takes a serve_connection. 0 by
    /// default: they are aborted immediately.
    serve_options& idle_grace(std::chrono::nanoseconds limit) noexcept {
        idle_grace_ = limit;
        return *this;
    }

    /// Sets how long a connection may be idle before it is aborted. The limit applies only if the handler takes a
    /// serve_connection, which tells serve() when the connection is idle. There is no limit by default. To limit the
    /// time without a read or a write, wrap the stream in io::idle_timeout().
    serve_options& idle_timeout(std::chrono::nanoseconds limit) noexcept {
        idle_timeout_ = limit;
        return *this;
    }
    /// Sets a function that receives each error that a handler returns, and each exception that it throws. By default,
    /// each is printed as one line on standard error. `[](const auto&) {}` ignores them. The function also receives
    /// failures to accept a connection, at most one per second. Their `code` is the error, for example too many open
    /// files. Their `message` starts with "cannot accept a connection: ". Then serve() continues. The function is
    /// called by the task that awaits serve(), or by the destructor of its future. If it throws, the process ends with
    /// a message.
    serve_options& on_error(unobserved_error_handler handler) {
        on_error_ = std::move(handler);
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t max_connections() const noexcept { return most_; }
    [[nodiscard]] std::optional<std::chrono::nanoseconds> idle_timeout() const noexcept { return idle_timeout_; }
    [[nodiscard]] const unobserved_error_handler& on_error() const noexcept { return on_error_; }
    [[nodiscard]] const std::optional<sync::cancellation_token>& shutdown() const noexcept { return shutdown_; }
    [[nodiscard]] std::chrono::nanoseconds drain() const noexcept { return drain_; }
    [[nodiscard]] std::chrono::nanoseconds idle_grace() const noexcept { return idle_grace_; }

private:
    std::size_t most_ = std::numeric_limits<std::size_t>::max();
    std::optional<sync::cancellation_token> shutdown_;
    std::chrono::nanoseconds drain_ = std::chrono::seconds(30);
    std::chrono::nanoseconds idle_grace_ = std::chrono::nanoseconds(0);
    std::optional<std::chrono::nanoseconds> idle_timeout_;
    unobserved_error_handler on_error_;
};

/// The connection of one call of a handler. A handler that takes it tells serve() when the connection is idle: when no
/// request has been received that was not answered. If serve() shuts down, it closes idle connections, immediately or
/// after serve_options::idle_grace(), and lets the others finish their request.
///     [](tcp_stream client, serve_connection connection) -> task<result<void>> {
///         for (;;) {
///             auto idle = connection.idle();
///             auto request = co_await try_(read_request(client));
///             if (!idle.end()) co_return eddy::ok();  // the server is closing the connection
///             co_await try_(answer(client, request));
///         }
///     }
/// To close a connection, serve() aborts its task. Copies refer to the same connection.
/// Thread safety: any thread.
class EDDY_API serve_connection {
public:
    /// The time in which a connection is idle: from idle() to end(), or to the destruction of this object.
    class EDDY_API [[nodiscard("the connection is idle until this object is destroyed")]] idle_time {
    public:
        /// Moving leaves `other` empty.
        idle_time(idle_time&& other) noexcept : of_(std::move(other.of_)) {}
        idle_time& operator=(idle_time&& other) noexcept {
            static_cast<void>(end());
            of_ = std::move(other.of_);
            return *this;
        }
        ~idle_time() { static_cast<void>(end()); }

        /// Ends the idle time: the connection has work again. Returns false if serve() has aborted the connection in
        /// this time. The handler must not begin the request then, because its task ends at the next `co_await` that
        /// waits. Returns true if the object is empty.
        [[nodiscard("false: the connection is being closed, so its handler must return")]] bool end() noexcept;

    private:
        friend serve_connection;
        explicit idle_time(std::shared_ptr<detail::served_state> of) noexcept : of_(std::move(of)) {}

        std::shared_ptr<detail::served_state> of_;
    };

    /// Begins an idle time. If the server is shutting down, the task of the connection is aborted, after
    /// serve_options::idle_grace().
    /// Preconditions: no other idle time of this connection exists.
    idle_time idle() const noexcept;

    /// For use by eddy::http.
    explicit serve_connection(std::shared_ptr<detail::served_state> state) noexcept : state_(std::move(state)) {}
    [[nodiscard]] detail::served_state& state() const noexcept { return *state_; }

private:
    std::shared_ptr<detail::served_state> state_;
};

/// The result of serve(): counts of connections.
/// Thread safety: a plain value.
struct serve_report {
    std::uint64_t accepted = 0;       ///< connections that the listener accepted
    std::uint64_t failed = 0;         ///< of these: the handler threw an exception, or returned an error
    std::uint64_t aborted = 0;        ///< of these: were idle, or had not ended when the drain time was over
    std::uint64_t accept_errors = 0;  ///< failed accepts: no descriptor, no memory, or the connection was gone

    /// Makes a report of zeros.
    serve_report() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

template <class L, class H>
class serve_future;

/// Accepts connections. Runs `handler(stream, peer)`, or `handler(stream)`, for each connection in a separate task. To
/// end the server, see serve_options::shutdown(). It then accepts no further connections, and waits until all
/// connections have ended or the drain time is over. Returns a serve_report. The tasks of the connections are
/// background tasks: see spawn_background().
///     const auto handler = [end](tcp_stream client) { return talk(std::move(client), end); };  // named, for GCC 12
///     auto options = serve_options().max_connections(1000).shutdown(end).drain(5s);
///     co_await try_(serve(std::move(listener), handler, options));
/// The handler is called on the threads of the tasks, possibly on several threads at the same time. An exception or an
/// error of the handler ends only its connection. It is counted, and passed to serve_options::on_error(), which prints
/// it by default. A handler may also take a serve_connection as its last parameter, to say when its connection is idle.
///
/// Errors: a permanent error of the listener, after the connections were drained. Temporary errors are counted, and
/// accepting continues: no descriptors, no memory, or a connection that was gone before it was accepted
/// (connection_aborted, connection_reset).
/// Cancel safety: safe. All connections are aborted. Graceful cancellation waits until they have ended. It is used by
/// `select`, `timeout`, `scope`, task_owner::close(), and when the task that awaits the future is aborted. The
/// destructor of the future does not wait. On a runtime with several workers, a handler may still run after it.
/// Thread safety: the future on one thread at a time. The handler must be safe to call on several threads.
/// Lifetime: the listener and the handler are moved into the future. Moving the future after its first poll terminates
/// the program.
/// Cost: one allocation for the handler; for each connection, the cost of a task.
template <class L, class H>
[[nodiscard]] auto serve(L listener_in, H&& handler, serve_options options = serve_options(),
                         std::source_location where = std::source_location::current()) {
    constexpr bool listens = listener<L>;
    static_assert(listens, "eddy: serve takes a listener: poll_accept(context&), local_addr(), accepted_type");
    if constexpr (listens) {
        using accepted_type = typename L::accepted_type;
        using kept = eddy::detail::kept_fn_t<H>;
        constexpr bool fits = detail::kind_of_handler<kept, accepted_type>() != detail::handler_kind::none;
        static_assert(fits,
                      "eddy: the handler given to serve must take a stream and an address, or a stream, by value");
        if constexpr (fits) {
            return serve_future<L, kept>(std::move(listener_in), std::forward<H>(handler), std::move(options), where);
        } else {
            return eddy::detail::broken_future();
        }
    } else {
        return eddy::detail::broken_future();
    }
}

// ---- Implementation ----

}  // namespace eddy::net

namespace eddy::detail {

/// The work of one connection's task: calls the handler on the task's thread, and keeps the handler alive.
template <class H, class Accepted>
class served_connection {
public:
    served_connection(std::shared_ptr<H> handler, Accepted&& connection, std::shared_ptr<served_state> state)
        : handler_(std::move(handler)), connection_(std::move(connection)), state_(std::move(state)) {}

    decltype(auto) operator()() {
        constexpr handler_kind kind = kind_of_handler<H, Accepted>();
        if constexpr (kind == handler_kind::stream_peer_connection) {
            return std::invoke(*handler_, std::move(connection_.stream), std::move(connection_.peer),
                               net::serve_connection(state_));
        } else if constexpr (kind == handler_kind::stream_peer) {
            return std::invoke(*handler_, std::move(connection_.stream), std::move(connection_.peer));
        } else if constexpr (kind == handler_kind::stream_connection) {
            return std::invoke(*handler_, std::move(connection_.stream), net::serve_connection(state_));
        } else {
            return std::invoke(*handler_, std::move(connection_.stream));
        }
    }

private:
    std::shared_ptr<H> handler_;
    Accepted connection_;
    std::shared_ptr<served_state> state_;  // null if the handler takes no serve_connection
};

}  // namespace eddy::detail

namespace eddy::net {

/// The future of serve().
/// Cancel safety: see serve(). poll_cancel() aborts all connections, and is ready when their tasks have ended.
/// Lifetime: the future must not move after its first poll.
template <class L, class H>
class [[nodiscard("a server does nothing until it is awaited")]] serve_future : public future_ops<serve_future<L, H>> {
    using work = detail::served_connection<H, typename L::accepted_type>;
    using served = detail::work_output_t<work>;
    static constexpr bool shares_state = detail::takes_connection<H, typename L::accepted_type>;

public:
    using output_type = result<serve_report>;

    /// Takes ownership of the arguments.
    template <class G>
    serve_future(L&& from, G&& handler, serve_options&& options, std::source_location where)
        : listener_(std::move(from)),
          handler_(std::make_shared<H>(std::forward<G>(handler))),
          options_(std::move(options)),
          where_(where) {
        if constexpr (shares_state) {
            const auto limit = options_.idle_timeout();
            idle_ = std::make_shared<detail::idle_connections>(limit ? std::optional(time::round_up(*limit))
                                                                     : std::nullopt);
        } else if (options_.idle_timeout()) {
            throw misuse(
                "serve_options::idle_timeout needs a handler that takes a serve_connection, and says with it when the "
                "connection is idle; or wrap the stream in io::idle_timeout()",
                where);
        }
    }
    /// Moves the server.
    /// Preconditions: it was not polled; otherwise the process ends with a message.
    serve_future(serve_future&& other) noexcept
        : listener_(std::move(other.listener_)),
          handler_(std::move(other.handler_)),
          options_(std::move(other.options_)),
          idle_(std::move(other.idle_)),
          where_(other.where_) {
        if (other.has_begun_) {
            detail::fatal_misuse(
                "serve() was moved after its first poll: keep it where it is, or pass it by std::ref. It was made",
                where_);
        }
    }
    serve_future& operator=(serve_future&&) = delete;
    /// Reports the connections that have ended since the last poll, and aborts the others.
    ~serve_future() {
        while (auto ended = connections_.try_join_next_with_id()) count(ended->id, ended->output);
    }

    /// A listener is in it until the server drains.
    static constexpr auto wait_shape() {
        return inspect::named_wait("the connections of a server", inspect::reader(&serve_future::listener_));
    }

    poll_result<output_type> poll(context& cx) {
        if (has_ended_) throw misuse("serve() was awaited after it had ended: await it once", cx.where());
        has_begun_ = true;
        reap(cx);  // before any accept: many new connections would use up the budget, and no ended one would be removed
        do {
            accept_all(cx);
        } while (reap(cx) && !drains_);  // an ended connection makes capacity for a new one
        if (listener_ && drains_) {
            close_listener(cx);
            reap(cx);
        }
        abort_idle(cx);
        if (listener_) return not_ready;
        if (!connections_.is_empty()) {
            end_grace(cx);
            abort_when_late(cx);
            return not_ready;
        }
        has_ended_ = true;
        if (failure_) return output_type(std::unexpect, failure_);
        return output_type(report_);
    }
    /// Implements cancellable_future. Accepts no further connections, aborts all connections, and waits until they have
    /// ended.
    poll_result<void> poll_cancel(context& cx) {
        listener_.reset();
        if (!std::exchange(is_cancelled_, true)) connections_.abort_all();
        reap(cx);
        return connections_.is_empty() ? poll_result<void>::ready() : poll_result<void>(not_ready);
    }

private:
    void accept_all(context& cx) {
        if (drains_ || is_shutdown_requested(cx)) return;
        try {
            while (connections_.len() < options_.max_connections() && cx.consume_budget()) {
                auto answer = listener_->poll_accept(cx);
                if (!answer) return cx.refund_budget();
                if (!*answer) return refused(answer->error(), cx);
                start(*std::move(*answer));
                ++report_.accepted;
            }
        } catch (const std::bad_alloc&) {
            // The connection was closed. The other connections may free memory.
            refused(std::make_error_code(std::errc::not_enough_memory), cx);
        }
    }

    void start(typename L::accepted_type&& accepted) {
        if constexpr (shares_state) {
            auto state = std::make_shared<detail::served_state>(idle_);
            state->set_task(insert(work(handler_, std::move(accepted), state)));
        } else {
            insert(work(handler_, std::move(accepted), nullptr));
        }
    }

    /// Spawns a background task, so that `run` waits for the connections only if it waits for the task of this future.
    abort_handle insert(work&& connection) {
        auto spawned = spawn_background(std::move(connection), where_);
        auto aborts = spawned.abort_handle(where_);
        try {
            return connections_.insert(std::move(spawned));
        } catch (...) {
            aborts.abort();  // serve() would not wait for its end
            throw;
        }
    }

    void abort_idle(context& cx) {
        if (!idle_ || !options_.idle_timeout()) return;
        for (;;) {
            if (idle_timer_ && !idle_timer_->poll(cx)) return;
            idle_timer_.reset();
            const auto next = idle_->abort_late(time::clock::now());
            if (!next) return;
            idle_timer_.emplace(*next, where_);
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
        const auto now = time::clock::now();
        if (!accept_reported_at_ || now - *accept_reported_at_ >= std::chrono::seconds(1)) {
            accept_reported_at_ = now;
            detail::report_failed_accept(error, where_, options_.on_error());
        }
        cx.waker().wake_by_ref();
    }

    void begin_drain() {
        drains_ = true;
        drained_.emplace(time::sleep(options_.drain(), where_));
        if (!idle_) return;
        if (options_.idle_grace() <= std::chrono::nanoseconds(0)) return idle_->begin_drain();
        grace_.emplace(time::sleep(options_.idle_grace(), where_));
    }

    /// Counts and removes connections that have ended. Returns whether there was one.
    bool reap(context& cx) {
        for (bool has_one = false;; has_one = true) {
            const auto ended = connections_.poll_next_with_id(cx);
            if (!ended || !*ended) return has_one;
            count((*ended)->id, (*ended)->output);
        }
    }

    void count(task_id id, const std::expected<served, join_error>& ended) noexcept {
        bool failed = !ended;
        if constexpr (detail::is_expected<served>) failed = failed || !*ended;
        if (!failed) return;
        const std::string failed_work = idle_ ? idle_->take_failed_work(id) : std::string();
        if (!ended && ended.error().is_cancelled()) {
            ++report_.aborted;
            return;
        }
        ++report_.failed;
        detail::unread_failure failure =
            ended ? detail::error_in(ended) : detail::unread_failure(ended.error().exception());
        if (failure) detail::report_connection(std::move(failure), failed_work, where_, options_.on_error());
    }

    /// Destroys the listener, after the connections were taken that its driver has accepted.
    void close_listener(context& cx) try {
        if constexpr (requires { listener_->poll_rest(cx); }) {
            auto rest = listener_->poll_rest(cx);
            if (!rest) return;
            for (auto& each : *rest) {
                start(std::move(each));
                ++report_.accepted;
            }
        }
        listener_.reset();
    } catch (const std::bad_alloc&) {
        refused(std::make_error_code(std::errc::not_enough_memory), cx);
    }

    void end_grace(context& cx) {
        if (!grace_ || !grace_->poll(cx)) return;
        grace_.reset();
        idle_->begin_drain();
    }

    void abort_when_late(context& cx) {
        if (!drained_ || !drained_->poll(cx)) return;
        drained_.reset();
        connections_.abort_all();
    }

    std::optional<L> listener_;  // empty when the server drains, after close_listener()
    std::shared_ptr<H> handler_;
    serve_options options_;
    join_set<served> connections_;
    std::optional<sync::cancellation_token::owned_cancelled_future> shutdown_signal_;
    std::optional<time::sleep_future> drained_;
    std::optional<time::sleep_future> grace_;
    std::shared_ptr<detail::idle_connections> idle_;  // null if the handler takes no serve_connection
    std::optional<time::sleep_future> idle_timer_;
    std::source_location where_;
    std::error_code failure_;
    serve_report report_;
    std::optional<time::time_point> accept_reported_at_;
    bool has_begun_ = false;
    bool has_ended_ = false;
    bool drains_ = false;
    bool is_cancelled_ = false;  // poll_cancel() was called
};

}  // namespace eddy::net
