// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <eddy/http/serve.hpp>
#include <eddy/http/service.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/socket_addr.hpp>

#include "message/body_timer.hpp"

// A connection of a server, as HTTP/1.1 and HTTP/2 see it.

namespace eddy::detail {

class http_counters;

/// Gives a server access to the private members of its options and its service.
struct server_access {
    /// Returns the memory of these limits. Null in options that were moved from.
    [[nodiscard]] static server_memory* memory(const http::serve_options& of) noexcept { return of.memory_.get(); }
    /// Returns null without serve_options::metrics().
    [[nodiscard]] static const std::shared_ptr<http_counters>& counters(const http::serve_options& of) noexcept {
        return of.counters_;
    }
    [[nodiscard]] static service_answer start(const http::service& one, http::request&& asked) {
        return one.callable_->call(std::move(asked));
    }
};

/// Returns the limits for the time of a request's body.
[[nodiscard]] inline body_rate rate_limits(const http::serve_options& of) noexcept {
    return {of.min_body_rate(), of.io_timeout(), of.body_timeout()};
}

/// The idle time of a connection that net::serve() can abort. Does not own the state, unlike
/// serve_connection::idle_time: shared ownership would cost two atomic operations for each request.
class idle_mark {
public:
    idle_mark() noexcept = default;
    idle_mark(idle_mark&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    idle_mark& operator=(idle_mark&&) = delete;
    ~idle_mark() { static_cast<void>(end()); }

    void begin(served_state& of) noexcept {
        if (of_ != nullptr) return;
        of_ = &of;
        of.begin_idle();
    }
    [[nodiscard]] bool end() noexcept {
        if (of_ != nullptr && !of_->end_idle()) return false;  // and again at the next call
        of_ = nullptr;
        return true;
    }

private:
    served_state* of_ = nullptr;
};

/// What the requests of a connection have in common: the server, the client's address, and the state of the connection
/// in net::serve().
class accepted_connection {
public:
    accepted_connection(std::shared_ptr<const http_server>&& server, std::optional<net::socket_addr> peer,
                        std::optional<net::serve_connection>&& entry) noexcept
        : server_(std::move(server)), peer_(peer), entry_(std::move(entry)) {}

    [[nodiscard]] const http::service& service() const noexcept { return server_->answer; }
    [[nodiscard]] const http::serve_options& options() const noexcept { return server_->options; }
    [[nodiscard]] const std::optional<net::socket_addr>& peer() const noexcept { return peer_; }
    /// Returns whether the server is being shut down.
    [[nodiscard]] bool shuts_down() const noexcept {
        const auto& token = options().connections().shutdown();
        return token && token->is_cancelled();
    }
    /// Returns null without net::serve(), which closes idle connections itself.
    [[nodiscard]] served_state* state() const noexcept { return entry_ ? &entry_->state() : nullptr; }
    /// Begins and ends the idle time. Both do nothing if they were called before. end_idle() returns false if the
    /// connection was aborted meanwhile: then no request may begin.
    void begin_idle() noexcept {
        if (auto* const of = state()) idle_.begin(*of);
    }
    [[nodiscard]] bool end_idle() noexcept { return idle_.end(); }

private:
    std::shared_ptr<const http_server> server_;
    std::optional<net::socket_addr> peer_;
    std::optional<net::serve_connection> entry_;
    idle_mark idle_;  // declared after entry_, whose state it refers to
};

}  // namespace eddy::detail
