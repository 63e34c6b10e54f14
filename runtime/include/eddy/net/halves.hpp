// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <memory>
#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/writing.hpp>

namespace eddy::detail {

/// Returns the stream of an owned half. Ends the program if the half was moved from.
template <class Stream>
Stream& stream_of(const std::shared_ptr<Stream>& half) noexcept {
    if (!half) [[unlikely]]
        fatal_misuse(
            "this half of a stream was moved from, or reunited or forgotten: use the half that it was moved "
            "to, or the stream that reunite() returned");
    return *half;
}

}  // namespace eddy::detail

/// The two halves of a stream, for two tasks: one reads, one writes. They need no lock, because the two directions of a
/// stream are independent. An owned half that was moved from, reunited or forgotten has no stream. It may be assigned
/// to and destroyed. Any other use ends the program with a message.
namespace eddy::net {

/// The reading half that split() returns. It borrows the stream.
/// Thread safety: one thread at a time. The other half may be on another thread.
/// Lifetime: the stream must outlive the half, and must not move while the half is in use.
template <class Stream>
class read_half : public reading<read_half<Stream>>, public peeking<read_half<Stream>> {
public:
    /// Borrows `of`.
    explicit read_half(Stream& of) noexcept : of_(&of) {}
    /// Returns the stream, for its addresses and options.
    [[nodiscard]] const Stream& stream() const noexcept { return *of_; }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &read_half::of_); }

private:
    friend detail::socket_access;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(*of_); }

    Stream* of_;
};

/// The writing half that split() returns. It borrows the stream.
/// Thread safety: one thread at a time. The other half may be on another thread.
/// Lifetime: the stream must outlive the half, and must not move while the half is in use.
template <class Stream>
class write_half : public writing<write_half<Stream>> {
public:
    /// Borrows `of`.
    explicit write_half(Stream& of) noexcept : of_(&of) {}
    /// Returns the stream, for its addresses and options.
    [[nodiscard]] const Stream& stream() const noexcept { return *of_; }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &write_half::of_); }

private:
    friend detail::socket_access;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(*of_); }

    Stream* of_;
};

/// The two halves that split() returns.
/// Thread safety: same as its parts.
template <class Stream>
struct halves {
    /// The half that reads, and the half that writes.
    read_half<Stream> reader;
    write_half<Stream> writer;

    /// Makes both halves.
    explicit halves(Stream& of) noexcept : reader(of), writer(of) {}
};

template <class Stream>
class owned_write_half;
template <class Stream>
struct reunite_error;

/// The reading half that into_split() returns. It keeps the stream open.
/// Thread safety: one thread at a time. The other half may be on another thread.
/// Lifetime: the half must outlive its futures.
template <class Stream>
class owned_read_half : public reading<owned_read_half<Stream>>, public peeking<owned_read_half<Stream>> {
public:
    /// Shares the ownership of a stream.
    explicit owned_read_half(std::shared_ptr<Stream> of) noexcept : of_(std::move(of)) {}
    /// Returns the stream, for its addresses and options.
    [[nodiscard]] const Stream& stream() const noexcept { return detail::stream_of(of_); }

    /// Joins both halves and returns the stream.
    /// Errors: if `writer` is not the other half, the error contains both halves.
    [[nodiscard]] std::expected<Stream, reunite_error<Stream>> reunite(owned_write_half<Stream> writer) &&;
    eddy::detail::broken_future reunite(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &owned_read_half::of_); }

private:
    friend detail::socket_access;
    friend class owned_write_half<Stream>;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(detail::stream_of(of_)); }

    std::shared_ptr<Stream> of_;
};

/// The writing half that into_split() returns. It keeps the stream open. Its destructor shuts the writing direction
/// down, like shutdown(): the peer reads the bytes that were written, then the end of the stream.
/// Thread safety: one thread at a time. The other half may be on another thread.
/// Lifetime: the half must outlive its futures.
template <class Stream>
class owned_write_half : public writing<owned_write_half<Stream>> {
public:
    /// Shares the ownership of a stream.
    explicit owned_write_half(std::shared_ptr<Stream> of) noexcept : of_(std::move(of)) {}
    owned_write_half(owned_write_half&& other) noexcept = default;
    owned_write_half& operator=(owned_write_half&& other) noexcept {
        if (this == &other) return *this;
        owned_write_half old(std::move(*this));
        of_ = std::move(other.of_);
        return *this;
    }
    ~owned_write_half() {
        if (of_) socket().shut_down_soon();
    }
    /// Returns the stream, for its addresses and options.
    [[nodiscard]] const Stream& stream() const noexcept { return detail::stream_of(of_); }

    /// Destroys the half without a shutdown. The writing direction stays open until the other half is destroyed.
    void forget() && noexcept { of_.reset(); }
    /// Joins both halves and returns the stream.
    /// Errors: if `reader` is not the other half, the error contains both halves.
    [[nodiscard]] std::expected<Stream, reunite_error<Stream>> reunite(owned_read_half<Stream> reader) && {
        return std::move(reader).reunite(std::move(*this));
    }
    eddy::detail::broken_future forget(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    eddy::detail::broken_future reunite(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &owned_write_half::of_); }

private:
    friend detail::socket_access;
    friend class owned_read_half<Stream>;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(detail::stream_of(of_)); }

    std::shared_ptr<Stream> of_;
};

/// The two halves that into_split() returns.
/// Thread safety: same as its parts.
template <class Stream>
struct owned_halves {
    /// The half that reads, and the half that writes.
    owned_read_half<Stream> reader;
    owned_write_half<Stream> writer;

    /// Makes both halves.
    explicit owned_halves(std::shared_ptr<Stream> of) noexcept : reader(of), writer(std::move(of)) {}
};

/// The error of reunite(): two halves of different streams.
/// Thread safety: same as its parts.
template <class Stream>
struct reunite_error {
    /// The halves that were passed to reunite().
    owned_read_half<Stream> reader;
    owned_write_half<Stream> writer;

    /// Takes ownership of both halves.
    reunite_error(owned_read_half<Stream>&& reads, owned_write_half<Stream>&& writes) noexcept
        : reader(std::move(reads)), writer(std::move(writes)) {}
    /// Returns a description of the error.
    [[nodiscard]] std::string_view message() const noexcept {
        return "these halves are not of one stream: reunite the two halves that one into_split() returned";
    }
};

// ---- Implementation ----

template <class Stream>
std::expected<Stream, reunite_error<Stream>> owned_read_half<Stream>::reunite(owned_write_half<Stream> writer) && {
    if (of_ != writer.of_) return std::unexpected(reunite_error<Stream>(std::move(*this), std::move(writer)));
    // Before the stream moves: the destructor of `writer` must not shut it down.
    std::move(writer).forget();
    Stream whole(std::move(*of_));
    of_.reset();
    return whole;
}

}  // namespace eddy::net
