// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#include "reply_codec.hpp"

namespace mini_redis {

class subscriber;

/// A connection to a server, mini_redis or Redis.
///
///     auto redis = co_await eddy::try_(client::connect("127.0.0.1:6379"));
///     co_await eddy::try_(redis.call("SET", "greeting", "hello"));
///     auto greeting = co_await eddy::try_(redis.get("greeting"));
///
/// Errors: those of the connection; resp_errc; errc::unexpected_eof if the server closed the connection. Do not use the
/// client after these errors. If the server replies with an error, call() returns a reply::error, and get(), set() and
/// the other typed commands return std::errc::invalid_argument.
/// Cancel safety: not safe. A dropped call may or may not be executed, and its reply would be returned by the next
/// call.
/// Thread safety: one call at a time.
class client {
public:
    using words = std::span<const std::string_view>;

    [[nodiscard]] static eddy::task<eddy::result<client>> connect(std::string where);

    /// Sends one request and returns its reply. Copies the words before it returns. (There is no overload for an
    /// initializer list, since GCC 12 rejects those in an expression with co_await.) Queued requests are sent first,
    /// and their replies are discarded. A call that is never awaited stays queued.
    template <std::convertible_to<std::string_view>... Word>
    [[nodiscard]] eddy::task<eddy::result<reply>> call(const Word&... word) {
        return call(words(std::array<std::string_view, sizeof...(word)>{word...}));
    }
    [[nodiscard]] eddy::task<eddy::result<reply>> call(words request);

    /// Pipelining: queues a request. run_queued() sends all queued requests.
    template <std::convertible_to<std::string_view>... Word>
    void queue(const Word&... word) {
        queue(words(std::array<std::string_view, sizeof...(word)>{word...}));
    }
    void queue(words request);
    /// Sends all queued requests with one write. Returns the replies in the same order.
    [[nodiscard]] eddy::task<eddy::result<std::vector<reply>>> run_queued();

    // Typed commands. Use call() for all other commands.
    [[nodiscard]] eddy::task<eddy::result<std::optional<std::string>>> get(std::string_view key);
    [[nodiscard]] eddy::task<eddy::result<void>> set(std::string_view key, std::string_view value);
    [[nodiscard]] eddy::task<eddy::result<std::int64_t>> incr(std::string_view key);
    /// Returns the number of subscribers that received the message.
    [[nodiscard]] eddy::task<eddy::result<std::int64_t>> publish(std::string_view channel, std::string_view message);
    /// Converts the connection to a subscriber. On GCC 12, name the vector before you await this.
    [[nodiscard]] eddy::task<eddy::result<subscriber>> subscribe(std::vector<std::string> channels) &&;

private:
    friend class subscriber;
    explicit client(eddy::net::tcp_stream&& stream) noexcept : stream_(std::move(stream)) {}

    eddy::task<eddy::result<void>> send();
    eddy::task<eddy::result<reply>> receive();
    eddy::task<eddy::result<reply>> exchange();

    eddy::net::tcp_stream stream_;
    reply_codec codec_;
    eddy::bytes_mut in_;
    eddy::bytes_mut out_;
    std::size_t queued_ = 0;
};

/// A message of a channel.
struct message {
    std::string channel;
    std::string text;
    message(std::string from, std::string what) : channel(std::move(from)), text(std::move(what)) {}
};

/// A client that has subscribed to channels.
class subscriber {
public:
    /// Waits for the next message.
    /// Errors: those of client.
    /// Cancel safety: safe. Bytes of an incomplete message are kept.
    [[nodiscard]] eddy::task<eddy::result<message>> next();

private:
    friend class client;
    subscriber(client&& from, std::deque<reply>&& early) noexcept
        : client_(std::move(from)), early_(std::move(early)) {}

    eddy::task<eddy::result<reply>> receive();

    client client_;
    std::deque<reply> early_;  // messages that arrived before the last confirmation
};

}  // namespace mini_redis
