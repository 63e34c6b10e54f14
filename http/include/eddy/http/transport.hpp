// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// The connection below HTTP: a TCP connection, or any other stream in a box. A server passes its TCP connections
/// without a box, so they need no allocation and no virtual calls. A client passes a box.
/// Thread safety: same as the stream.
class http_transport {
public:
    http_transport(io::boxed_stream&& other) noexcept : stream_(std::move(other)) {}
    http_transport(net::tcp_stream&& tcp) noexcept : stream_(std::move(tcp)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        return with([&](auto& stream) { return stream.poll_read(cx, into); });
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        return with([&](auto& stream) { return stream.poll_write(cx, from); });
    }
    poll_result<result<void>> poll_flush(context& cx) {
        return with([&](auto& stream) { return stream.poll_flush(cx); });
    }
    poll_result<result<void>> poll_shutdown(context& cx) {
        return with([&](auto& stream) { return stream.poll_shutdown(cx); });
    }

    /// Returns whether the destructor ends the connection in order, because it is a plain TCP connection.
    [[nodiscard]] bool ends_by_destructor() const noexcept { return std::holds_alternative<net::tcp_stream>(stream_); }

    /// Returns the TCP connection, or null if the stream is in a box.
    [[nodiscard]] net::tcp_stream* tcp() noexcept { return std::get_if<net::tcp_stream>(&stream_); }

    /// Moves the stream to a box.
    [[nodiscard]] io::boxed_stream into_box() && {
        return with([](auto& stream) { return io::boxed_stream(std::move(stream)); });
    }

    template <direction Way>
    static constexpr auto wait_shape(io_way<Way>) {
        constexpr auto at = offset_of(&http_transport::stream_);
        return waits_as(in_variant<0, net::tcp_stream, io::boxed_stream>(io_at<net::tcp_stream, Way>(at)),
                        in_variant<1, net::tcp_stream, io::boxed_stream>(io_at<io::boxed_stream, Way>(at)));
    }

private:
    /// Calls `use` with the stream. Not std::visit(), which is a call through a table.
    template <class Fn>
    std::invoke_result_t<Fn&, net::tcp_stream&> with(Fn use) {
        if (auto* const tcp = std::get_if<net::tcp_stream>(&stream_)) return use(*tcp);
        return use(*std::get_if<io::boxed_stream>(&stream_));
    }

    std::variant<net::tcp_stream, io::boxed_stream> stream_;
};

/// Makes the connection below HTTP from any stream.
template <class S>
[[nodiscard]] http_transport make_http_transport(S stream) {
    if constexpr (std::same_as<S, net::tcp_stream>) {
        return http_transport(std::move(stream));
    } else {
        return http_transport(io::boxed_stream(std::move(stream)));
    }
}

}  // namespace eddy::detail
