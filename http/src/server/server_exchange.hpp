// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/wait_shape.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/net/socket_addr.hpp>

#include "h1/body_sender.hpp"
#include "server/incoming_body.hpp"
#include "server/service_call.hpp"

namespace eddy::detail {

/// A request of HTTP/1.1 and its response. An idle connection has none.
struct server_exchange : immovable {
    /// The number of bytes of a body that is discarded because the service has not read it.
    static constexpr std::size_t most_discarded = 256 * 1024;

    explicit server_exchange(const http::h1::limits& limits) noexcept : engine(limits) {}
    ~server_exchange() { detach(); }

    EDDY_WAITS_AS(server_exchange, call);
    /// An exchange whose response is sent, which waits for the body.
    struct body_of_response {
        EDDY_WAIT_SHAPE(server_exchange, adaptor_of(service_call::response_body_at(EDDY_OFFSET(Its, call))));
    };

    /// Adds the fields Upgrade of the request to service_call::upgrade.
    void add_upgrade();
    /// Ends the use of the connection by the request's body.
    void detach() noexcept {
        if (incoming) end_body();
    }
    /// Replaces a failure of the service by a response, after which the connection is closed.
    void answer_failure();
    /// Keeps `why`, an error of the service or of the response's body, and returns whether on_error() receives a
    /// failure. The error of the request's body is not reported, even if the service has passed it on: the client has
    /// disconnected, was too slow, or has sent something invalid or too large.
    [[nodiscard]] bool keep_failure(std::error_code why);
    /// Counts the memory of the response, unless write() copies its body.
    void hold(const http::serve_options& options, const std::optional<net::socket_addr>& peer);
    /// Writes the head of the response, and its body if that is short and in memory. Otherwise makes `sender`.
    void write(std::string& out);

    http::h1::server_engine engine;
    service_call call;
    std::shared_ptr<incoming_body> incoming;  // null without a body, if the body is in memory, and after detach()
    std::error_code body_failure;             // of the request's body, after detach()
    std::optional<body_sender> sender;        // null if the whole response is in the buffer
    std::optional<connection_end> end;
    std::size_t discarded = 0;  // bytes of the request's body
    std::error_code failure;    // for serve_options::on_error(); or call.thrown
    bool is_last = false;       // the client sends no further request: it has sent "Connection: close"
    bool is_gone = false;       // the client has gone while the service worked
    bool has_switched = false;  // the response 101 was sent

private:
    [[nodiscard]] std::error_code failure_of_body() const;
    [[nodiscard]] bool may_be_read() noexcept;
    /// Prepares the body of the request for the response. Returns its lock if it may still be read.
    [[nodiscard]] std::unique_lock<mutex> begin_response();
    void end_body() noexcept;
};

}  // namespace eddy::detail
