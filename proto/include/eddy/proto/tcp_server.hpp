// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/proto_setup.hpp>
#include <eddy/future/try.hpp>
#include <eddy/net/lookup_host.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/proto/server.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::detail {

/// What the connections of a tcp_server share.
template <class Codec, class Setup, class S>
struct served_protocol {
    served_protocol(Codec with, connection_setup<Setup> how, S&& what, const proto::connection_options& given)
        : codec(std::move(with)), setup(std::move(how)), service(std::move(what)), options(given) {}
    const Codec codec;
    const connection_setup<Setup> setup;
    const S service;
    const proto::connection_options options;
};

/// How long a client may take to close a connection that the server has ended.
inline constexpr std::chrono::seconds closing_limit(5);

template <bool Numbered, class Protocol, class Io>
task<result<void>> serve_protocol(std::shared_ptr<const Protocol> of, Io stream) {
    auto connection = co_await set_up(of->setup, of->codec, std::move(stream));
    if (!connection) co_return std::unexpected(connection.error());
    auto serving =
        serve_calls<Numbered>(std::ref(*connection), of->service, of->options.max_in_flight(), of->options.shutdown());
    const auto served = co_await std::move(serving);
    // The client may still send requests. close_gracefully() lets the client read all responses first.
    if constexpr (requires { connection->close_gracefully(closing_limit); }) {
        static_cast<void>(co_await connection->close_gracefully(closing_limit));
    }
    co_return served;
}

}  // namespace eddy::detail

namespace eddy::proto {

/// The server of a protocol, as tcp_server() makes it. The members set options and return the server.
template <class Kind, class Codec, class Setup = detail::no_setup>
class tcp_server_builder {
    static constexpr bool is_multiplexed = detail::is_multiplexed<Kind, detail::decoded_frame_t<Codec>>;

public:
    explicit tcp_server_builder(Codec with, detail::connection_setup<Setup> how = {})
        : codec_(std::move(with)), setup_(std::move(how)) {}

    /// Sets the address at which serve() listens. "127.0.0.1:7000" by default. It is any `to_socket_addrs`.
    tcp_server_builder& address(net::lookup_request at) {
        address_ = std::move(at);
        return *this;
    }
    /// Sets a function that is called with the address of the listener before the first connection is accepted, for
    /// example to learn the port that the system has selected.
    tcp_server_builder& on_listening(std::function<void(const net::socket_addr&)> fn) {
        on_listening_ = std::move(fn);
        return *this;
    }
    /// Sets the options of each connection.
    tcp_server_builder& options(const connection_options& given) {
        options_ = given;
        return *this;
    }
    /// Sets the options of the server: the number of connections, the time to drain, and the receiver of errors.
    tcp_server_builder& options(net::serve_options given) {
        serving_ = std::move(given);
        return *this;
    }
    /// Sets a token that ends the server gracefully. The server accepts no further connections, the connections read no
    /// further requests, and serve() ends when all requests are answered.
    tcp_server_builder& shutdown(const sync::cancellation_token& token) {
        shutdown_ = token;
        return *this;
    }
    /// Returns a server that runs `fn` for each connection before its first request: a handshake. `fn` takes the stream
    /// by value and returns a future of a result. Its value is the stream, another stream (for example of TLS), or
    /// a codec::framed with the codec that was agreed. A connection is closed if `fn` fails, or if it has not ended
    /// after `limit`.
    template <class Fn, class Rep = std::int64_t, class Period = std::ratio<1>>
    [[nodiscard]] auto setup(Fn fn, std::chrono::duration<Rep, Period> limit = std::chrono::seconds(10)) const {
        using next = tcp_server_builder<Kind, Codec, Fn>;
        next made(codec_, detail::connection_setup<Fn>(std::move(fn), time::round_up(limit)));
        made.take_options(address_, on_listening_, options_, serving_, shutdown_);
        return made;
    }

    /// Listens at address() and serves each connection as pipelined() or multiplexed() does, in a task of its own. The
    /// result has the counts of net::serve(), which reports the errors of connections to on_error() of its options. A
    /// connection that the server ends is closed with close_gracefully(), so that the client gets all responses.
    ///
    ///     co_await try_(proto::tcp_server(my_codec()).address("0.0.0.0:7000").serve(handler));
    /// Errors: same as tcp_listener::bind() and net::serve().
    /// Cancel safety: same as net::serve(): all connections are aborted.
    /// Thread safety: the calls of the service run on the threads of the connections' tasks. The service, the codec and
    /// the function of setup() are copied for each connection, or used by several connections at the same time.
    /// Lifetime: everything is moved or copied into the task.
    template <class S>
    task<result<net::serve_report>> serve(S service,
                                          std::source_location where = std::source_location::current()) const {
        return listen(*this, std::move(service), where);
    }
    /// Same as above, for a listener that exists, of any kind.
    /// Cancel safety: same as net::serve().
    template <net::listener L, class S>
    task<result<net::serve_report>> serve(L listener, S service,
                                          std::source_location where = std::source_location::current()) const {
        return run(*this, std::move(listener), std::move(service), where);
    }

private:
    template <class, class, class>
    friend class tcp_server_builder;

    void take_options(const net::lookup_request& at, const std::function<void(const net::socket_addr&)>& fn,
                      const connection_options& options, const net::serve_options& serving,
                      const std::optional<sync::cancellation_token>& token) {
        address_ = at;
        on_listening_ = fn;
        options_ = options;
        serving_ = serving;
        shutdown_ = token;
    }

    template <class S>
    static task<result<net::serve_report>> listen(tcp_server_builder self, S service, std::source_location where) {
        auto listener = co_await try_(net::tcp_listener::bind(self.address_, where));
        const auto at = co_await try_(listener.local_addr());
        if (self.on_listening_) self.on_listening_(at);
        co_return co_await run(std::move(self), std::move(listener), std::move(service), where);
    }
    template <class L, class S>
    static task<result<net::serve_report>> run(tcp_server_builder self, L listener, S service,
                                               std::source_location where) {
        constexpr bool copies = std::copy_constructible<S>;
        static_assert(copies, "eddy: each connection has a copy of the service: use a boxed_service, or a std::ref");
        if (self.shutdown_) {
            self.options_.shutdown(*self.shutdown_);
            self.serving_.shutdown(*self.shutdown_);
        }
        using protocol = detail::served_protocol<Codec, Setup, S>;
        const auto shared = std::make_shared<const protocol>(std::move(self.codec_), std::move(self.setup_),
                                                             std::move(service), self.options_);
        using accepted = decltype(L::accepted_type::stream);
        const auto handler = [shared](accepted stream) {
            return detail::serve_protocol<is_multiplexed>(shared, std::move(stream));
        };
        co_return co_await net::serve(std::move(listener), handler, std::move(self.serving_), where);
    }

    Codec codec_;
    detail::connection_setup<Setup> setup_;
    net::lookup_request address_{"127.0.0.1:7000"};
    std::function<void(const net::socket_addr&)> on_listening_;
    connection_options options_;
    net::serve_options serving_;
    std::optional<sync::cancellation_token> shutdown_;
};

/// Returns a server of the protocol that `codec` encodes and decodes:
///
///     co_await try_(proto::tcp_server(my_codec()).serve(handler));
///     co_await try_(proto::tcp_server<proto::pipeline>(my_codec()).address("0.0.0.0:7000").serve(handler));
///
/// `Kind` is `pipeline` or `multiplex`. If it is omitted, a codec whose messages are `numbered` is multiplexed. The
/// codec, which is copied for each connection, decodes requests and encodes responses; if it decodes frames, messages
/// have streamed bodies. See pipelined() and multiplexed().
template <class Kind = void, class Codec>
[[nodiscard]] auto tcp_server(Codec codec) {
    return tcp_server_builder<Kind, Codec>(std::move(codec));
}

}  // namespace eddy::proto
