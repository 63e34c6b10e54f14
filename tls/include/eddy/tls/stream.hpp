// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/read.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/tls/config.hpp>
#include <eddy/tls/detail/engine.hpp>
#include <eddy/tls/error.hpp>

namespace eddy::detail {

/// The future of tls::stream::write_all(): writes, then flushes. Without the flush, the end of the bytes would stay in
/// the stream while the connection below is full, until the next operation, and would be lost if the stream is
/// destroyed.
template <class Write, class S>
class [[nodiscard("an operation does nothing until it is awaited")]] flushed_write
    : public future_ops<flushed_write<Write, S>> {
public:
    using output_type = result<void>;

    flushed_write(Write write, S& to) noexcept : write_(std::move(write)), to_(&to) {}

    /// Returns the number of bytes that were encrypted.
    [[nodiscard]] std::size_t count() const noexcept { return write_.count(); }

    poll_result<result<void>> poll(context& cx) {
        if (!is_written_) {
            auto written = write_.poll(cx);
            if (!written || !*written) return written;
            is_written_ = true;
        }
        return hold_.during(*to_, cx, [&] { return to_->poll_flush(cx); });
    }

    static constexpr auto wait_shape() {
        return inspect::waits_as(inspect::child_while(&flushed_write::is_written_, false, &flushed_write::write_),
                                 inspect::writer(&flushed_write::to_));
    }

private:
    Write write_;
    S* to_;
    bool is_written_ = false;
    sink_hold<S> hold_;  // for the flush; the write has its own
};

/// The handshake of a TLS stream `S`. With `turns`, each poll has a permit of it, and returns it at its end. So a
/// handshake that waits for its peer does not prevent others.
template <class S>
class [[nodiscard("an operation does nothing until it is awaited")]] handshake_future
    : public future_ops<handshake_future<S>> {
public:
    using output_type = result<void>;

    explicit handshake_future(S& of, sync::semaphore* turns = nullptr) noexcept : of_(&of), turns_(turns) {}

    poll_result<result<void>> poll(context& cx) {
        if (turns_ == nullptr) return of_->poll_handshake(cx);
        if (!turn_) turn_.emplace(turns_->acquire());
        const auto permit = turn_->poll(cx);
        if (!permit) return not_ready;
        turn_.reset();
        return of_->poll_handshake(cx);
    }

    static constexpr auto wait_shape() {
        return inspect::waits_as(&handshake_future::turn_, inspect::reader(&handshake_future::of_));
    }

private:
    S* of_;
    sync::semaphore* turns_;
    std::optional<sync::semaphore::acquire_future> turn_;
};

}  // namespace eddy::detail

namespace eddy::tls {

/// A TLS connection over `S`, which is a reader and a writer: net::tcp_stream, net::unix_stream, io::duplex_stream, or
/// another TLS stream. Made by connect() and accept(). It is a reader and a writer itself, so all algorithms of
/// eddy::io work with it.
///
/// Errors: any error of `S`. errc::tls_truncated if the connection ends without close_notify. tls::openssl_category()
/// if the peer violates the protocol or sends an alert. broken_pipe for a write after shutdown(). After an error, later
/// reads, writes and flushes return it again, except that reads still return what `S` had received before it failed to
/// write. If that is an alert, for example because the server has refused the client's certificate, writes return the
/// alert and not the error of `S`.
/// Cancel safety: each poll function is safe: no byte is lost or sent twice.
/// Thread safety: one thread at a time. To read and write in two tasks, use io::split(). On one event loop, two tasks
/// may also use the stream itself: one reads and one writes. Neither misses a wake-up, although a read may have to
/// write, and a write may have to read. A second task that reads, or that writes, gets a `misuse` with the locations of
/// both.
/// Lifetime: the stream must outlive its futures, and must not move while one of them waits. The destructor closes the
/// connection without close_notify: await shutdown() first, or the peer reports truncation. The session can still be
/// resumed. A client that only sends must end with net::close_gracefully(), because it has not read the server's
/// tickets.
/// Cost: OpenSSL's memory, and about 300 bytes. Buffers for encrypted bytes exist only while they are not empty. A
/// server with TLS 1.3 keeps its session tickets, about 500 bytes, until its first write, flush or shutdown, or until a
/// read has waited for 100 ms for a client that has sent nothing since the handshake.
template <class S>
class stream {
public:
    stream(S&& below, detail::tls_engine&& engine) noexcept : below_(std::move(below)), engine_(std::move(engine)) {}

    /// Reads at least one byte into `into` and returns the count. Returns 0 only if the peer has sent close_notify, or
    /// if `into` is empty. `into` is a string, or a container or span of char, unsigned char or std::byte; see
    /// io::mutable_buffer.
    /// Errors: throws `misuse` for an empty std::string or std::vector, which has no room: resize() it first.
    [[nodiscard]] auto read(io::mutable_buffer into) { return io::read(*this, into); }
    template <detail::growing_bytes C>
    [[nodiscard]] auto read(C& into, std::source_location where = std::source_location::current()) {
        return io::read(*this, into, where);
    }
    /// Fills all of `into`, which may be of any type that read() accepts.
    /// Errors: errc::unexpected_eof if the stream ends first.
    /// Cancel safety: not safe. Bytes already read are lost; loop over read().
    [[nodiscard]] auto read_exact(io::mutable_buffer into) { return io::read_exact(*this, into); }
    /// Encrypts at least one byte of `from` and returns the count. The encrypted bytes are sent immediately, as far as
    /// the connection accepts them. About 80 KiB at most are left for the next read, write or flush: await flush()
    /// before you wait for something else, or destroy the stream. `from` is text, or a container or span of char,
    /// unsigned char or std::byte; see io::const_buffer.
    [[nodiscard]] auto write(io::const_buffer from) { return io::write(*this, from); }
    /// Encrypts and sends all of `from`, which is what write() accepts: flushes at the end. io::write_all() does not.
    /// Cancel safety: not safe. The number of bytes that were written is unknown; loop over write().
    /// Lifetime: a temporary container (an rvalue std::string, for example) is moved into the future. Everything else
    /// is borrowed.
    [[nodiscard]] auto write_all(io::const_buffer from) {
        return detail::flushed_write(io::write_all(*this, from), *this);
    }
    template <detail::owned_bytes T>
    [[nodiscard]] auto write_all(T&& from) {
        return detail::flushed_write(io::write_all(*this, std::forward<T>(from)), *this);
    }
    template <detail::owned_bytes T>
    detail::broken_future write(T&&) EDDY_DELETED(EDDY_NO_TEMPORARY);
    template <class T>
    detail::broken_future read(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    template <class T>
    detail::broken_future read_exact(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    template <class T>
    detail::broken_future write(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    template <class T>
    detail::broken_future write_all(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    /// Waits until all encrypted bytes were sent.
    [[nodiscard]] auto flush() { return io::flush(*this); }
    /// Sends all bytes and close_notify, then ends the writing direction. Does not wait for the peer's close_notify. If
    /// the stream is destroyed next, bytes that the peer sends may reset the connection: see net::close_gracefully().
    /// Cancel safety: safe. Call it again to continue.
    [[nodiscard]] auto shutdown() {
        return poll_fn([this](context& cx) { return poll_shutdown(cx); });
    }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        detail::tls_transport_of<S> below(below_);
        return engine_.poll_read(below, cx, into);
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        detail::tls_transport_of<S> below(below_);
        return engine_.poll_write(below, cx, from);
    }
    poll_result<result<void>> poll_flush(context& cx) {
        detail::tls_transport_of<S> below(below_);
        return engine_.poll_flush(below, cx);
    }
    poll_result<result<void>> poll_shutdown(context& cx) {
        detail::tls_transport_of<S> below(below_);
        return engine_.poll_shutdown(below, cx);
    }
    /// For use by connect() and accept(): continues the handshake.
    poll_result<result<void>> poll_handshake(context& cx) {
        detail::tls_transport_of<S> below(below_);
        return engine_.poll_handshake(below, cx);
    }

    /// Returns the application protocol that both sides agreed on; empty if there is none.
    /// Lifetime: the view is valid as long as the stream.
    [[nodiscard]] std::string_view alpn() const noexcept { return engine_.alpn(); }
    /// On a server: returns the host name that the client requested; empty if it named none.
    /// Lifetime: the view is valid as long as the stream.
    [[nodiscard]] std::string_view server_name() const noexcept { return engine_.server_name(); }
    /// Returns the version of the protocol that is in use.
    [[nodiscard]] tls::version version() const noexcept { return engine_.version(); }
    /// Returns whether an earlier session was resumed, without a new exchange of certificates.
    [[nodiscard]] bool was_resumed() const noexcept { return engine_.was_resumed(); }
    /// Returns the peer's certificate as PEM text; empty if there is none.
    /// Cost: encodes the certificate.
    [[nodiscard]] std::string peer_certificate() const { return engine_.peer_certificate(); }

    /// Returns the connection below. Reading from it or writing to it breaks the TLS stream.
    [[nodiscard]] S& inner() noexcept { return below_; }
    [[nodiscard]] const S& inner() const noexcept { return below_; }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &stream::below_); }

private:
    friend eddy::detail::guard_access;
    [[nodiscard]] eddy::detail::operation_guard* read_guard() noexcept { return &read_guard_; }
    [[nodiscard]] eddy::detail::operation_guard* write_guard() noexcept { return &write_guard_; }

    S below_;
    detail::tls_engine engine_;
    eddy::detail::operation_guard read_guard_{
        "two tasks read from one TLS stream at the same time: let one task read for all",
        eddy::detail::same_task::permitted};
    eddy::detail::operation_guard write_guard_{
        "two tasks write to one TLS stream at the same time: use a sync::mutex, or a channel and one task that writes",
        eddy::detail::same_task::permitted};
};

}  // namespace eddy::tls

namespace eddy::detail {

/// Returns the error of a handshake with `peer`: "TLS handshake with example.org: certificate has expired".
[[nodiscard]] inline std::unexpected<any_error> tls_handshake_error(const std::string& peer, any_error why) {
    return std::unexpected(std::move(why).context("TLS handshake with " + peer));
}

/// Returns the address of the peer of a connection, if it has one.
template <class S>
std::string tls_peer_name(const S& below) {
    if constexpr (requires { below.peer_addr()->to_string(); }) {
        if (const auto peer = below.peer_addr()) return peer->to_string();
    }
    return "a client";
}

}  // namespace eddy::detail

namespace eddy::tls {

/// Performs the handshake of a client over the connection `below`, and returns the TLS stream. `host` is the host name
/// that the server's certificate must have, or an IP address.
///     auto tcp = co_await try_(net::tcp_stream::connect("example.org", 443));
///     auto peer = co_await try_(tls::connect(std::move(tcp), config, "example.org"));
/// Errors: certificate_category() if the certificate is refused; openssl_category(); errc::timed_out.
/// errc::tls_truncated if the connection ends during the handshake. std::errc::invalid_argument for an empty `host`, or
/// one with an empty label; errors of `below`.
/// Cancel safety: safe. The connection is closed.
/// Lifetime: `below` is moved into the task, and then into the TLS stream.
template <class S>
task<any_result<stream<S>>> connect(S below, client_config config, std::string host) {
    static_assert(detail::check_reader<S>() && detail::check_writer<S>());
    auto engine = detail::tls_engine::connect(config, host);
    if (!engine) co_return detail::tls_handshake_error(host, engine.error());
    stream<S> made(std::move(below), *std::move(engine));
    detail::handshake_future handshake(made);
    auto ended = co_await time::timeout(detail::tls_access::handshake_timeout(config), std::ref(handshake));
    if (!ended) co_return detail::tls_handshake_error(host, errc::timed_out);
    if (!*ended) co_return detail::tls_handshake_error(host, ended->error());
    co_return std::move(made);
}

template <class S, class H>
eddy::detail::broken_future connect(S&&, const server_config&, H&&)
    EDDY_DELETED("connect() is for clients: make a tls::client_config; a server_config is for accept()");

/// Performs the handshake of a server over the connection `below`, and returns the TLS stream. Its computations wait
/// while other threads compute server_builder::max_handshakes() others.
/// Errors: openssl_category(), also if the client refuses the server's certificate; certificate_category() for a
/// refused client certificate; errc::timed_out. errc::tls_truncated if the connection ends during the handshake; errors
/// of `below`.
/// Cancel safety: safe. The connection is closed.
/// Lifetime: `below` is moved into the task, and then into the TLS stream.
template <class S>
task<any_result<stream<S>>> accept(S below, server_config config) {
    static_assert(detail::check_reader<S>() && detail::check_writer<S>());
    const auto deadline = time::deadline_after(detail::tls_access::handshake_timeout(config));
    auto engine = detail::tls_engine::accept(config);
    if (!engine) co_return detail::tls_handshake_error(detail::tls_peer_name(below), engine.error());
    stream<S> made(std::move(below), *std::move(engine));
    detail::handshake_future handshake(made, &detail::tls_access::handshakes(config));
    auto ended = co_await time::timeout_at(deadline, std::ref(handshake));
    if (!ended) co_return detail::tls_handshake_error(detail::tls_peer_name(made.inner()), errc::timed_out);
    if (!*ended) co_return detail::tls_handshake_error(detail::tls_peer_name(made.inner()), ended->error());
    co_return std::move(made);
}

template <class S>
eddy::detail::broken_future accept(S&&, const client_config&)
    EDDY_DELETED("accept() is for servers: make a tls::server_config; a client_config is for connect()");

}  // namespace eddy::tls
