// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/proto_setup.hpp>
#include <eddy/future/try.hpp>
#include <eddy/net/lookup_host.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/proto/client.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::detail {

/// Makes the client of a connection.
template <bool Numbered, class Connection>
auto make_client(Connection connection, std::size_t max_in_flight, std::source_location where) {
    if constexpr (Numbered) {
        return proto::multiplexed_client(std::move(connection), max_in_flight, where);
    } else {
        return proto::pipelined_client(std::move(connection), max_in_flight, where);
    }
}

}  // namespace eddy::detail

namespace eddy::proto {

/// The client of a protocol, as tcp_client() makes it, before it is connected.
template <class Kind, class Codec, class Setup = detail::no_setup>
class tcp_client_builder {
    static constexpr bool is_multiplexed = detail::is_multiplexed<Kind, detail::decoded_frame_t<Codec>>;

public:
    explicit tcp_client_builder(Codec with, detail::connection_setup<Setup> how = {})
        : codec_(std::move(with)), setup_(std::move(how)) {}

    /// Sets how many calls may be without an answer; further calls wait. 64 by default.
    tcp_client_builder& max_in_flight(std::size_t most) noexcept {
        most_ = most;
        return *this;
    }
    /// Returns a client that runs `fn` before its first request; see tcp_server_builder::setup().
    template <class Fn, class Rep = std::int64_t, class Period = std::ratio<1>>
    [[nodiscard]] auto setup(Fn fn, std::chrono::duration<Rep, Period> limit = std::chrono::seconds(10)) const {
        using next = tcp_client_builder<Kind, Codec, Fn>;
        next made(codec_, detail::connection_setup<Fn>(std::move(fn), time::round_up(limit)));
        made.max_in_flight(most_);
        return made;
    }

    /// Connects, runs the set-up, and returns a pipelined_client or a multiplexed_client. `to` is any
    /// `to_socket_addrs`.
    /// Errors: the errors of tcp_stream::connect() and of the function of setup(); errc::timed_out if that function has
    /// not ended in time. Throws `misuse` in the cases in which the constructor of the client does.
    /// Cancel safety: safe. The connection is closed.
    [[nodiscard]] auto connect(net::lookup_request to,
                               std::source_location where = std::source_location::current()) const {
        return run<connection>(*this, std::move(to), where);
    }

private:
    using set_up_result =
        output_t<decltype(detail::set_up(std::declval<const detail::connection_setup<Setup>&>(),
                                         std::declval<const Codec&>(), std::declval<net::tcp_stream>()))>;
    using connection = typename set_up_result::value_type;

    template <class Connection>
    static auto run(tcp_client_builder self, net::lookup_request to, std::source_location where)
        -> task<result<decltype(detail::make_client<is_multiplexed>(std::declval<Connection>(), 1, where))>> {
        auto stream = co_await try_(net::tcp_stream::connect(std::move(to), where));
        auto ready = co_await try_(detail::set_up(self.setup_, self.codec_, std::move(stream)));
        co_return detail::make_client<is_multiplexed>(std::move(ready), self.most_, where);
    }

    Codec codec_;
    detail::connection_setup<Setup> setup_;
    std::size_t most_ = 64;
};

/// Returns a client of the protocol that `codec` encodes and decodes. See tcp_server() for `Kind`.
///
///     const auto client = co_await try_(proto::tcp_client(my_codec()).connect("127.0.0.1:7000"));
///     auto answer = co_await client(request);
template <class Kind = void, class Codec>
[[nodiscard]] auto tcp_client(Codec codec) {
    return tcp_client_builder<Kind, Codec>(std::move(codec));
}

}  // namespace eddy::proto
