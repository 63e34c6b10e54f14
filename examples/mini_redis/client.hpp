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

#include <eddy/bytes_mut.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

#include "reply_codec.hpp"

namespace mini_redis {

class subscriber;

/// A connection to a server, mini_redis or Redis.
///
///     auto redis = co_await eddy::try_(client::connect("127.0.0.1:6379"));
///     co_await eddy::try_(redis.call("SET", "greeting", "hello"));
///     auto greeting = co_await eddy::try_(redis.get("greeting"));
///
/// Errors: those of the connection; resp_errc; errc::unexpected_eof when the server has closed it. What the server
/// refuses is a reply::error of call(), and std::errc::invalid_argument of get() and its like. After any but the last
/// the client is of no use. Cancel safety: not safe. A call that was dropped may be executed or not, and its reply
/// would be taken for the next one's. Thread safety: one call at a time.
class client {
public:
    using words = std::span<const std::string_view>;

    [[nodiscard]] static eddy::task<eddy::result<client>> connect(std::string where);

    /// Sends one request, and gives its reply. The words are copied before this returns. (They are no initializer list:
    /// GCC 12 refuses those in an expression with co_await.) What is queued is sent with it, and the replies to that
    /// are dropped; a call that is never awaited is queued, too.
    template <std::convertible_to<std::string_view>... Word>
    [[nodiscard]] eddy::task<eddy::result<reply>> call(const Word&... word) {
        return call(words(std::array<std::string_view, sizeof...(word)>{word...}));
    }
    [[nodiscard]] eddy::task<eddy::result<reply>> call(words request);

    /// Pipelining: notes a request, which is sent with the others by run_queued().
    template <std::convertible_to<std::string_view>... Word>
    void queue(const Word&... word) {
        queue(words(std::array<std::string_view, sizeof...(word)>{word...}));
    }
    void queue(words request);
    /// Sends all that is queued with one write, and gives the replies in the same order.
    [[nodiscard]] eddy::task<eddy::result<std::vector<reply>>> run_queued();

    // Some commands with their types. For all others there is call().
    [[nodiscard]] eddy::task<eddy::result<std::optional<std::string>>> get(std::string_view key);
    [[nodiscard]] eddy::task<eddy::result<void>> set(std::string_view key, std::string_view value);
    [[nodiscard]] eddy::task<eddy::result<std::int64_t>> incr(std::string_view key);
    /// How many have been reached.
    [[nodiscard]] eddy::task<eddy::result<std::int64_t>> publish(std::string_view channel, std::string_view message);
    /// From here on the connection is a subscriber's. Name the vector before you await (GCC 12).
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

/// What a channel has brought.
struct message {
    std::string channel;
    std::string text;
    message(std::string from, std::string what) : channel(std::move(from)), text(std::move(what)) {}
};

/// A client that has subscribed.
class subscriber {
public:
    /// The next message; it waits for one. Errors: as client. Cancel safety: safe; what has come of a message is kept.
    [[nodiscard]] eddy::task<eddy::result<message>> next();

private:
    friend class client;
    subscriber(client&& from, std::deque<reply>&& early) noexcept
        : client_(std::move(from)), early_(std::move(early)) {}

    eddy::task<eddy::result<reply>> receive();

    client client_;
    std::deque<reply> early_;  // what has come before the last confirmation
};

}  // namespace mini_redis
