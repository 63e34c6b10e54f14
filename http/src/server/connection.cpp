// SPDX-License-Identifier: MIT
#include "server/connection.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/switch_protocols.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/time/clock.hpp>

#include "h2/http2.hpp"
#include "server/server_exchange.hpp"

namespace eddy::detail {

std::shared_ptr<server_memory> make_server_memory() { return std::make_shared<server_memory>(); }

namespace {

/// A connection of HTTP/1.1: a future. It is idle, or has an exchange.
///
///     idle, waits for the transfer of the collected responses, ──bytes──> an exchange ──another protocol──> over
///     then for bytes <───────────────────kept──────────────────────────────┘
///       └──the end, too late, a shutdown──> over
///
/// Requests are answered one after the other. Further requests that the client has sent (pipelining) stay in the
/// buffer. Responses to them are collected as long as the service does not wait.
class server_connection {
public:
    using output_type = void;

    server_connection(message_stream&& stream, accepted_connection&& connection, bool may_be_http2) noexcept
        : link_(std::move(stream), std::move(connection), may_be_http2) {}

    static constexpr auto wait_shape() {
        constexpr auto idle = [] {
            return inspect::named_wait("the next request of an HTTP client",
                                       inspect::reader(&server_connection::link_));
        };
        return inspect::waits_as(&server_connection::exchange_, inspect::part<idle>());
    }

    /// Serves requests until the connection ends, or another protocol follows.
    poll_result<void> poll(context& cx) {
        for (;;) {
            if (!exchange_) {
                const auto has_next = poll_idle(cx);
                if (!has_next) return not_ready;
                if (!*has_next) return poll_result<void>::ready();
            }
            if (!exchange_->poll(cx)) return not_ready;
            if (!exchange_->keeps_alive()) return poll_result<void>::ready();
            exchange_.reset();
        }
    }
    /// net::serve() cancels connections that have been idle for too long, and all of them at the end of a shutdown.
    poll_result<void> poll_cancel(context& cx) {
        if (exchange_) return exchange_->poll_cancel(cx);
        link_.stream.end_writing(cx);
        return poll_result<void>::ready();
    }

    // ---- After the end ----

    /// Returns whether HTTP/2 follows.
    [[nodiscard]] bool is_http2() const noexcept { return link_.http2 == http1_link::preface::found; }
    /// Continues with HTTP/2.
    task<result<void>> serve_as_http2() && {
        exchange_.reset();
        const auto& timer = link_.timer;
        const auto until = timer ? timer->deadline() : time::deadline_after(link_.accepted.options().header_timeout());
        return serve_http2(std::move(link_.stream), std::move(link_.accepted), until);
    }

    /// Returns the protocol that follows after a response 101, or null.
    [[nodiscard]] std::shared_ptr<http_upgrade> take_upgrade() noexcept {
        auto next = exchange_ ? exchange_->take_upgrade() : nullptr;
        if (next) exchange_.reset();
        return next;
    }
    /// Passes the connection to that protocol.
    /// Errors: any error of the protocol.
    task<result<void>> serve_upgraded(http_upgrade& next);

    /// Returns the error of the last service, or of the body of its response, or throws its exception.
    [[nodiscard]] result<void> outcome() const { return exchange_ ? exchange_->outcome() : ok(); }

private:
    using cancelled_future = sync::cancellation_token::owned_cancelled_future;

    /// Waits for an exchange. Returns false if the connection is over.
    poll_result<bool> poll_idle(context& cx);
    poll_result<bool> wait_idle(context& cx);
    [[nodiscard]] bool poll_shutdown(context& cx);
    bool end_idle(context& cx) noexcept;
    void begin_exchange(std::string_view& input) {
        exchange_.reset(pool_new<server_exchange>(link_));
        exchange_->receive(input);
    }

    http1_link link_;
    pool_box<server_exchange> exchange_;      // null while the connection is idle. Refers to link_
    std::unique_ptr<cancelled_future> told_;  // see poll_shutdown()
};

poll_result<bool> server_connection::poll_idle(context& cx) {
    auto& stream = link_.stream;
    const bool has_next = !stream.in().empty();
    if (!has_next || stream.collected() > message_stream::most_unsent) {
        const auto flushed = stream.poll_flush(cx);
        if (!flushed) return not_ready;
        if (!*flushed) return end_idle(cx);
    }
    if (has_next) {
        auto input = stream.in();
        begin_exchange(input);
        stream.consume_until(input);
        return true;
    }
    // On the stack, so that a waiting connection owns no large buffer. Most requests arrive in one piece: then no byte
    // is copied to the buffer.
    std::array<std::byte, message_stream::read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const auto count = stream.poll_receive_idle(cx, scratch);
    if (!count) return wait_idle(cx);
    if (!*count || **count == 0) return end_idle(cx);
    if (!link_.accepted.end_idle()) return end_idle(cx);
    // SAFETY: bytes may be read as char.
    std::string_view input(reinterpret_cast<const char*>(scratch.data()), **count);
    begin_exchange(input);
    stream.keep(input);
    return true;
}

/// Ends the connection if it has waited for too long. Otherwise releases what it does not need while it waits.
poll_result<bool> server_connection::wait_idle(context& cx) {
    const bool is_late = link_.requests == 0 && link_.poll_late(cx, link_.accepted.options().header_timeout());
    if (is_late || poll_shutdown(cx)) return end_idle(cx);
    link_.stream.release_buffers();
    link_.accepted.begin_idle();
    return not_ready;
}

/// Returns whether the idle connection must be closed because of a shutdown. Returns false with net::serve(), which
/// cancels idle connections itself.
bool server_connection::poll_shutdown(context& cx) {
    const auto& token = link_.accepted.options().connections().shutdown();
    if (link_.accepted.state() != nullptr || !token) return false;
    if (!told_) told_ = std::make_unique<cancelled_future>(token->cancelled_owned());
    return told_->poll(cx).is_ready();
}

bool server_connection::end_idle(context& cx) noexcept {
    link_.stream.end_writing(cx);
    return false;
}

// ---- The task ----

task<result<void>> server_connection::serve_upgraded(http_upgrade& next) {
    auto* const state = link_.accepted.state();
    try {
        const auto& shutdown = link_.accepted.options().connections().shutdown();
        auto serving = next.run(http::upgraded_connection(link_.stream.release(), shutdown));
        auto outcome = co_await std::move(serving);
        if (!outcome && state != nullptr) state->set_failed_work(std::move(next.asked));
        co_return outcome;
    } catch (...) {
        if (state != nullptr) state->set_failed_work(std::move(next.asked));
        throw;
    }
}

/// Serves a connection. While it is idle, it waits in this coroutine frame.
task<result<void>> serve_requests(server_connection connection) {
    co_await connection;
    if (connection.is_http2()) co_return co_await std::move(connection).serve_as_http2();
    if (const auto upgrade = connection.take_upgrade()) co_return co_await connection.serve_upgraded(*upgrade);
    co_return connection.outcome();
}

task<result<void>> counted(counted_connection, task<result<void>> serving) { co_return co_await std::move(serving); }

task<result<void>> serve_any(http_transport stream, http_protocol protocol, std::shared_ptr<const http_server> server,
                             std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection) {
    accepted_connection accepted(std::move(server), peer, std::move(connection));
    const auto& options = accepted.options();
    message_stream messages(std::move(stream), options.io_timeout());
    if (protocol == http_protocol::http_2) {
        const auto until = time::deadline_after(options.header_timeout());
        return serve_http2(std::move(messages), std::move(accepted), until);
    }
    const bool may_be_http2 = protocol == http_protocol::any && options.http2() && has_http2();
    return serve_requests(server_connection(std::move(messages), std::move(accepted), may_be_http2));
}

}  // namespace

task<result<void>> as_result_task(task<void> work) {
    co_await std::move(work);
    co_return ok();
}

task<result<void>> serve_http(http_transport stream, http_protocol protocol, std::shared_ptr<const http_server> server,
                              std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection) {
    const auto counters = server_access::counters(server->options);
    auto serving = serve_any(std::move(stream), protocol, std::move(server), peer, std::move(connection));
    if (!counters) return serving;
    return counted(counted_connection(counters), std::move(serving));
}

}  // namespace eddy::detail

namespace eddy::http {

std::vector<std::string> alpn_protocols() {
    if (!detail::has_http2()) return {"http/1.1"};
    return {"h2", "http/1.1"};
}

}  // namespace eddy::http
