// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::fs::detail {
class file_sender;
}  // namespace eddy::fs::detail

namespace eddy::detail {

/// The first base of objects with virtual functions: has the shape of their class for readers of the program's memory.
class described_object {
public:
    /// `its` is the shape of the derived class.
    explicit described_object(const shape_record& its) noexcept : shape_(&its) {}
    described_object(const described_object&) = delete;
    described_object& operator=(const described_object&) = delete;
    virtual ~described_object() = default;

    static constexpr auto wait_shape() { return described_at(offset_of(&described_object::shape_)); }

private:
    [[maybe_unused]] const shape_record* shape_;
};

/// The reader behind a body that is not in memory.
class body_source : public described_object {
public:
    virtual poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) = 0;
    /// Returns whether the body has no reader any more when the peer has closed its sending direction. The sender then
    /// watches for that while the body waits.
    [[nodiscard]] virtual bool ends_with_peer() const noexcept { return false; }
    /// Returns whether trailer fields may follow after all announced bytes. A reader must then wait for the end.
    [[nodiscard]] virtual bool may_have_trailers() const noexcept { return false; }
    /// Returns the memory that the source needs until its end, in bytes, if that is more than a small buffer.
    [[nodiscard]] virtual std::size_t held_bytes() const noexcept { return 0; }
    /// Returns the part of a file that the source reads, or null. A sender may send it without reading the source.
    [[nodiscard]] virtual fs::detail::file_sender* file() noexcept { return nullptr; }
    /// Returns the trailer fields. They are valid until the next call.
    [[nodiscard]] const http::headers& trailers() { return trailers_ = make_trailers(); }
    /// Of the reads.
    [[nodiscard]] operation_guard& guard() noexcept { return guard_; }

protected:
    using described_object::described_object;
    /// Returns the trailer fields. A received body has none before its end.
    virtual http::headers make_trailers() { return {}; }

private:
    http::headers trailers_;
    operation_guard guard_{"two tasks read one http::body at the same time: let one task read it for all",
                           same_task::permitted};
};

/// The base of the source `Its`, which describes itself to readers of the program's memory.
template <class Its>
class described_source : public body_source {
protected:
    described_source() noexcept : body_source(shape_of<Its>) {}
};

template <class R>
class body_source_of final : public described_source<body_source_of<R>> {
public:
    explicit body_source_of(R&& reader) : reader_(std::move(reader)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return reader_.poll_read(cx, into);
    }

    static constexpr auto wait_shape() { return inspect::reads_from(&body_source_of::reader_); }

private:
    R reader_;
};

/// A source that is an object which others use, too.
template <class T>
class shared_source final : public described_source<shared_source<T>> {
public:
    explicit shared_source(std::shared_ptr<T> from) noexcept : from_(std::move(from)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return from_->poll_read(cx, into);
    }
    bool may_have_trailers() const noexcept override { return from_->may_have_trailers(); }
    http::headers make_trailers() override { return from_->trailers(); }

    static constexpr auto wait_shape() { return inspect::waits_as(&shared_source::from_); }

private:
    std::shared_ptr<T> from_;
};

struct body_access;

}  // namespace eddy::detail

namespace eddy::http {

/// The default limit of body::read_all() and body::read_text(), in bytes.
inline constexpr std::size_t default_body_limit = 16 << 20;

/// The body of a request or a response: bytes in memory, or a reader whose bytes are transferred as they arrive. It is
/// a reader itself, so all algorithms of eddy::io work with it.
///     response.body = "hello";
///     response.body = http::body::from_reader(std::move(file), size);
///     const auto text = co_await try_(request.body.read_text());
/// The body of a received message is read from its connection, so a peer that sends faster than the body is read must
/// wait. If the body of a response is destroyed before its end, the client closes an HTTP/1.1 connection, and resets
/// the stream of an HTTP/2 connection. For requests, see serve().
///
/// Errors of a received body: http::errc::bad_message, body_too_large, body_too_short and body_detached; the errors of
/// the connection. errc::timed_out if the peer sends nothing for the io_timeout() of the server or client. If a read
/// throws, bytes may be lost: later reads of an HTTP/1.1 body fail, with std::errc::not_enough_memory after
/// std::bad_alloc, and otherwise with std::errc::io_error. A read of an HTTP/2 body that throws std::bad_alloc loses no
/// bytes; repeat it.
/// Thread safety: one thread at a time. A task of the service may read the body of a request, on any thread, while the
/// server sends a response whose body has a reader. Later reads fail with http::errc::body_detached.
/// Cost: the memory of the bytes; one allocation for a reader.
class EDDY_API body {
public:
    /// Makes an empty body.
    body() noexcept = default;
    /// Makes a body in memory. Takes over the memory of `bytes` and of long strings, and copies other text.
    body(eddy::bytes content) noexcept : content_(std::move(content)), size_(content_.size()) {}
    body(std::string&& content) : body(bytes_of(std::move(content))) {}
    body(const std::string& content) : body(std::string_view(content)) {}
    body(std::string_view content) : body(eddy::bytes::copy_of(content)) {}
    body(const char* content) : body(std::string_view(content)) {}
    /// Moving leaves `other` empty; reading all of it fails with http::errc::body_already_read.
    body(body&& other) noexcept
        : content_(std::move(other.content_)),
          source_(std::move(other.source_)),
          size_(std::exchange(other.size_, 0)),
          was_taken_(std::exchange(other.was_taken_, true)) {}
    body& operator=(body&& other) noexcept {
        if (this == &other) return *this;
        content_ = std::move(other.content_);
        source_ = std::move(other.source_);
        size_ = std::exchange(other.size_, 0);
        was_taken_ = std::exchange(other.was_taken_, true);
        return *this;
    }
    ~body() = default;

    /// Makes a body that owns `reader` and reads from it. With `size`, the message announces that size, and the body
    /// ends after as many bytes. Reading fails with http::errc::body_too_short if the reader ends earlier. Without
    /// `size`, the body is sent in chunks, or until the end of the connection to a client of HTTP/1.0.
    template <class R>
    [[nodiscard]] static body from_reader(R reader, std::optional<std::uint64_t> size = std::nullopt);

    /// Returns this body with trailer fields: fields that are sent after the bytes, for example a checksum. `make()`
    /// returns them, after all bytes were read. Such a body is sent in chunks, without its size.
    ///     response.body = std::move(response.body).with_trailers([sum] { return fields_of(*sum); });
    /// The peer gets no trailer fields if it uses HTTP/1.0, or if the response has no body. Fields that a receiver
    /// needs before the body, such as Content-Type and Set-Cookie, are not sent (RFC 9110, section 6.5.1).
    /// Errors: an exception of `make` ends the message, same as an exception of the reader.
    /// Cost: one allocation; one more, in from_reader(), if the body is in memory.
    template <class F>
    [[nodiscard]] body with_trailers(F make) &&;
    /// Returns the trailer fields: those that followed a received body, or those that with_trailers() adds. Empty if
    /// there are none, and before a received body was read to its end. Received fields that must not be trailer fields
    /// were dropped.
    ///     const auto text = co_await try_(response.body.read_text());
    ///     const auto sum = response.body.trailers().get("Sum");
    /// Lifetime: valid until the next call.
    [[nodiscard]] const headers& trailers();

    /// Returns the number of remaining bytes, or nullopt if it is unknown.
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept {
        return size_ == unknown ? std::nullopt : std::optional(size_);
    }
    /// Returns the remaining bytes if the body is in memory, otherwise null.
    [[nodiscard]] const eddy::bytes* in_memory() const noexcept { return source_ ? nullptr : &content_; }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);

    static constexpr auto wait_shape() { return inspect::waits_as(&body::source_); }

    /// Reads all remaining bytes.
    /// Errors: http::errc::body_already_read if this or read_text() has returned the bytes before, or the body was
    /// moved; http::errc::body_too_large if there are more than `limit` bytes; the errors of a received body, see
    /// above; the errors of the reader.
    /// Cancel safety: not safe. Bytes already read are lost; loop over io::read().
    /// Lifetime: the body must outlive the task.
    task<result<eddy::bytes>> read_all(std::size_t limit = default_body_limit);
    /// Same as read_all(), as text. The encoding is not checked.
    /// Cancel safety: not safe. Bytes already read are lost; loop over io::read().
    task<result<std::string>> read_text(std::size_t limit = default_body_limit);

private:
    friend detail::body_access;
    friend detail::guard_access;
    [[nodiscard]] detail::operation_guard* read_guard() const noexcept { return source_ ? &source_->guard() : nullptr; }

    // Not an optional: moving one stalls if its parts were just written (see detail/by_parts.hpp).
    static constexpr auto unknown = std::numeric_limits<std::uint64_t>::max();

    static eddy::bytes bytes_of(std::string&& content);

    eddy::bytes content_;
    std::unique_ptr<detail::body_source> source_;
    std::uint64_t size_ = 0;  // the number of remaining bytes, or `unknown`
    bool was_taken_ = false;  // by read_all(), read_text() or a move
};

}  // namespace eddy::http

namespace eddy::detail {

/// Gives the library access to the private members of http::body.
struct EDDY_API body_access {
    /// Makes a body that is read from `source`; see http::body::from_reader().
    [[nodiscard]] static http::body from_source(std::unique_ptr<body_source> source,
                                                std::optional<std::uint64_t> size = std::nullopt) noexcept;
    /// Makes a body that is read from an object which others use, too.
    template <class T>
    [[nodiscard]] static http::body from_shared(std::shared_ptr<T> source, std::optional<std::uint64_t> size) {
        return from_source(std::make_unique<shared_source<T>>(std::move(source)), size);
    }
    [[nodiscard]] static bool ends_with_peer(const http::body& of) noexcept {
        return of.source_ && of.source_->ends_with_peer();
    }
    /// Returns the memory that the body needs until its end, in bytes. Memory that the program shares with other bodies
    /// does not count.
    [[nodiscard]] static std::size_t held_bytes(const http::body& of) noexcept {
        if (of.source_) return of.source_->held_bytes();
        return of.content_.is_unique() ? of.content_.size() : 0;
    }
    /// See body_source::file().
    [[nodiscard]] static fs::detail::file_sender* file(const http::body& of) noexcept {
        return of.source_ ? of.source_->file() : nullptr;
    }
    /// Returns whether the last byte was read and no trailer fields can follow.
    [[nodiscard]] static bool has_ended(const http::body& of) noexcept {
        return of.size_ == 0 && !(of.source_ && of.source_->may_have_trailers());
    }
};

/// A body, and a function that returns its trailer fields.
template <class F>
class trailing_source final : public described_source<trailing_source<F>> {
public:
    trailing_source(http::body&& from, F&& make) : from_(std::move(from)), make_(std::move(make)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return from_.poll_read(cx, into);
    }
    bool ends_with_peer() const noexcept override { return body_access::ends_with_peer(from_); }
    std::size_t held_bytes() const noexcept override { return body_access::held_bytes(from_); }
    http::headers make_trailers() override { return make_(); }

    static constexpr auto wait_shape() { return inspect::waits_as(&trailing_source::from_); }

private:
    http::body from_;
    F make_;
};

}  // namespace eddy::detail

namespace eddy::http {

template <class R>
body body::from_reader(R reader, std::optional<std::uint64_t> size) {
    static_assert(detail::check_reader<R>());
    return detail::body_access::from_source(std::make_unique<detail::body_source_of<R>>(std::move(reader)), size);
}

template <class F>
body body::with_trailers(F make) && {
    constexpr bool makes_headers = std::is_invocable_r_v<headers, F&>;
    static_assert(makes_headers, "eddy: with_trailers() needs a function without arguments that returns http::headers");
    if constexpr (makes_headers)
        return detail::body_access::from_source(
            std::make_unique<detail::trailing_source<F>>(std::move(*this), std::move(make)));
}

}  // namespace eddy::http
