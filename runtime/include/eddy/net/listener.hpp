// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/stream.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::net {

/// An accepted connection and its peer. A struct, not a tuple, so that `auto [stream, peer] = ...` is safe with every
/// compiler.
/// Thread safety: same as its parts.
template <class Stream, class Addr>
struct basic_accepted {
    Stream stream;  ///< the connection
    Addr peer;      ///< the address of the peer

    /// Constructs the pair from its parts.
    basic_accepted(Stream&& connection, const Addr& from) noexcept : stream(std::move(connection)), peer(from) {}

    /// Returns both parts as a tuple, for functions with two arguments: for example, in for_each().
    [[nodiscard]] std::tuple<Stream, Addr> into_parts() && { return {std::move(stream), peer}; }
};

/// An object that accepts connections: tcp_listener, unix_listener, or a class of the user. An `accepted_type` has a
/// `stream` and a `peer`.
///
///     poll_accept(cx)   Returns the next connection with its peer. not_ready means that there is none yet, and that
///                       the waker of `cx` will be woken. May be polled again after an error, and then delays the next
///                       attempt if that is necessary.
///     local_addr()      Returns the address of the listener, of the same type as `peer`.
template <class L>
concept listener = requires(L& l, const L& asked, typename L::accepted_type& connection, context& cx) {
    { l.poll_accept(cx) } -> std::same_as<poll_result<result<typename L::accepted_type>>>;
    connection.stream;
    { asked.local_addr() } -> std::same_as<result<std::remove_cvref_t<decltype(connection.peer)>>>;
};

/// Accepts one connection. Returned by the accept() function of a listener.
/// Cancel safety: safe. No connection is lost.
/// Lifetime: the listener must outlive the future. The future must not move while it waits.
template <class Listener>
class [[nodiscard("co_await it")]] basic_accept_future : public future_ops<basic_accept_future<Listener>> {
public:
    using output_type = result<typename Listener::accepted_type>;

    /// Accepts from `from`.
    explicit basic_accept_future(Listener& from) noexcept : from_(&from) {}
    basic_accept_future(basic_accept_future&& other) noexcept : from_(other.from_) {}
    basic_accept_future& operator=(basic_accept_future&&) = delete;
    ~basic_accept_future() {
        if (record_.has_waited()) from_->leave(&record_);
    }

    friend const Listener* awaited_object(const basic_accept_future& me) noexcept { return me.from_; }

    static constexpr auto wait_shape() { return inspect::reads_from(&basic_accept_future::from_); }

    /// Returns "accept on 127.0.0.1:80". In a coroutine that returns an any_result, `try_` adds it to an error.
    [[nodiscard]] std::string operation() const {
        const auto at = from_->local_addr();
        return "accept on " + (at ? at->to_string() : "a listener");
    }

    poll_result<output_type> poll(context& cx) {
        auto answer = from_->poll_accept(cx, &record_);
        if (!answer) record_.wait(cx);
        return answer;
    }

private:
    Listener* from_;
    detail::wait_record record_;  // if it has waited, the listener may hold its waker
};

/// An endless stream of the connections of a listener. Returned by the incoming() function of a listener.
/// Cancel safety: safe. No connection is lost.
/// Lifetime: the listener must outlive the stream. The stream must not move while it waits.
template <class Listener>
class [[nodiscard]] basic_incoming_stream : public stream_ops<basic_incoming_stream<Listener>> {
public:
    using item_type = result<typename Listener::accepted_type>;

    /// Accepts connections of `from`.
    explicit basic_incoming_stream(Listener& from) noexcept : from_(&from) {}
    basic_incoming_stream(basic_incoming_stream&& other) noexcept : from_(other.from_) {}
    basic_incoming_stream& operator=(basic_incoming_stream&&) = delete;
    ~basic_incoming_stream() {
        if (record_.has_waited()) from_->leave(&record_);
    }

    static constexpr auto wait_shape() { return inspect::reads_from(&basic_incoming_stream::from_); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto answer = from_->poll_accept(cx, &record_);
        if (!answer) {
            record_.wait(cx);
            return not_ready;
        }
        return std::optional<item_type>(*std::move(answer));
    }

private:
    Listener* from_;
    detail::wait_record record_;  // if it has waited, the listener may hold its waker
};

}  // namespace eddy::net
EDDY_END_FALSE_UNINITIALIZED
