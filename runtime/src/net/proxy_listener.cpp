// SPDX-License-Identifier: MIT
#include <eddy/net/proxy_listener.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/try_timeout.hpp>

#include "net/proxy_header.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {
namespace {

using detail::proxy_header;

// A header may announce 65,535 bytes, for certificates of clients. Its memory grows with the bytes that have arrived.
constexpr std::size_t most_read = 4096;

/// Reads the header of a connection; nullopt if the peer closed it without a byte, as some health checks do.
///
/// It reads from the descriptor, not the stream: a stream belongs to the event loop, and to the ring, of its first
/// operation, and that must be the one of the task that will serve the connection.
task<result<std::optional<proxy_header>>> read_header(int fd) {
    std::optional<io::async_fd<io::fd_view>> waiting;  // registered only if the header has not arrived yet
    std::vector<std::byte> header;
    for (std::size_t got = 0;;) {
        const auto missing = co_await try_(detail::missing_of_proxy_header(std::span(header).first(got)));
        if (missing == 0) co_return co_await try_(detail::parse_proxy_header(header));
        header.resize(got + std::min(missing, most_read));
        const auto into = std::span(header).subspan(got);
        auto count = sys::recv(fd, into);
        if (!count && count.error() == std::errc::operation_would_block) {
            if (!waiting) waiting.emplace(co_await try_(io::async_fd<io::fd_view>::make(io::fd_view(fd))));
            auto receiving = waiting->async_io(io::interest::readable, [&](auto&) { return sys::recv(fd, into); });
            count = co_await receiving;
        }
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) {
            if (got == 0) co_return std::nullopt;
            co_return std::unexpected(make_error_code(errc::unexpected_eof));
        }
        got += *count;
    }
}

/// A connection whose header has arrived, or will not.
struct introduced {
    accepted connection;
    result<std::optional<proxy_header>> header;
};

task<introduced> introduce(accepted connection, std::chrono::nanoseconds limit) {
    auto reading = time::try_timeout(limit, read_header(connection.stream.native_handle()));
    auto header = co_await reading;
    co_return introduced{std::move(connection), std::move(header)};
}

}  // namespace

class proxy_listener::state {
public:
    state(tcp_listener from, proxy_listener_options options) : from_(std::move(from)), options_(std::move(options)) {}

    poll_result<result<accepted>> poll_accept(context& cx) {
        for (;;) {
            auto ended = pending_.poll_next(cx);
            if (ended && *ended) {
                if (auto connection = take(**std::move(ended))) return *std::move(connection);
                continue;
            }
            if (pending_.size() >= options_.max_pending()) return not_ready;
            auto next = from_.poll_accept(cx);
            if (!next || !*next) return next;
            pending_.push(introduce(**std::move(next), options_.header_timeout()));
        }
    }

    [[nodiscard]] result<socket_addr> local_addr() const { return from_.local_addr(); }

private:
    /// Returns the connection with the address of its client, unless it is refused.
    std::optional<result<accepted>> take(introduced&& one) {
        if (!one.header) refuse(one.connection.peer, one.header.error());
        if (!one.header || !*one.header) return std::nullopt;
        if (const auto& client = (*one.header)->source) one.connection.peer = *client;
        return result<accepted>(std::move(one.connection));
    }

    void refuse(const socket_addr& proxy, const std::error_code& error) {
        if (options_.on_refused()) return options_.on_refused()(proxy, error);
        if (std::exchange(has_printed_, true)) return;
        std::fprintf(
            stderr,
            "eddy: a proxy_listener has closed a connection of %s: %s. Each connection must begin with a header of "
            "the PROXY protocol; does the load balancer send it (HAProxy: send-proxy-v2)? Further ones are not "
            "printed; see proxy_listener_options::on_refused().\n",
            proxy.to_string().c_str(), error.message().c_str());
    }

    tcp_listener from_;
    proxy_listener_options options_;
    futures_unordered<task<introduced>> pending_;
    bool has_printed_ = false;
};

proxy_listener::proxy_listener(tcp_listener from, proxy_listener_options options)
    : state_(std::make_unique<state>(std::move(from), std::move(options))) {}
proxy_listener::proxy_listener(proxy_listener&&) noexcept = default;
proxy_listener& proxy_listener::operator=(proxy_listener&&) noexcept = default;
proxy_listener::~proxy_listener() = default;

static_assert(listener<proxy_listener>);

poll_result<result<accepted>> proxy_listener::poll_accept(context& cx) { return state_->poll_accept(cx); }

task<result<accepted>> proxy_listener::accept() {
    auto accepting = poll_fn([this](context& cx) { return state_->poll_accept(cx); });
    co_return co_await accepting;
}

result<socket_addr> proxy_listener::local_addr() const { return state_->local_addr(); }

}  // namespace eddy::net
