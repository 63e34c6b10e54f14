// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <memory>
#include <string_view>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/error.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/writing.hpp>

namespace eddy::detail {

/// The stream of an owned half.
template <class Stream>
Stream& stream_of(const std::shared_ptr<Stream>& half) noexcept {
    if (!half) [[unlikely]]
        fatal_misuse(
            "this half of a stream was moved from, or reunited or forgotten: use what it was moved to, or what "
            "reunite() gave");
    return *half;
}

}  // namespace eddy::detail

/// The two halves of a stream, for two tasks: one reads, one writes. Without a lock, since a stream's directions do not
/// touch each other. An owned half that was moved from, by reunite() or forget() say, has no stream any more: it may be
/// assigned to and destroyed; anything else ends the program, and says so.
namespace eddy::net {

/// The reading half that split() lends. It must not outlive its stream, nor be used after that has moved.
template <class Stream>
class read_half : public reading<read_half<Stream>>, public peeking<read_half<Stream>> {
public:
    explicit read_half(Stream& of) noexcept : of_(&of) {}
    /// The stream, for its addresses and options.
    [[nodiscard]] const Stream& stream() const noexcept { return *of_; }

private:
    friend detail::socket_access;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(*of_); }

    Stream* of_;
};

/// The writing half that split() lends. It must not outlive its stream, nor be used after that has moved.
template <class Stream>
class write_half : public writing<write_half<Stream>> {
public:
    explicit write_half(Stream& of) noexcept : of_(&of) {}
    [[nodiscard]] const Stream& stream() const noexcept { return *of_; }

private:
    friend detail::socket_access;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(*of_); }

    Stream* of_;
};

/// What split() gives.
template <class Stream>
struct halves {
    read_half<Stream> reader;
    write_half<Stream> writer;

    explicit halves(Stream& of) noexcept : reader(of), writer(of) {}
};

template <class Stream>
class owned_write_half;
template <class Stream>
struct reunite_error;

/// The reading half that into_split() gives: it keeps the stream open. The halves may be on different threads.
/// Lifetime: it must outlive its futures.
template <class Stream>
class owned_read_half : public reading<owned_read_half<Stream>>, public peeking<owned_read_half<Stream>> {
public:
    explicit owned_read_half(std::shared_ptr<Stream> of) noexcept : of_(std::move(of)) {}
    [[nodiscard]] const Stream& stream() const noexcept { return detail::stream_of(of_); }

    /// Puts the stream together again. Errors: if `writer` is not the other half, both come back in the error.
    [[nodiscard]] std::expected<Stream, reunite_error<Stream>> reunite(owned_write_half<Stream> writer) &&;
    // Only to say in a short error what to write.
    template <class... A>
    auto reunite(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

private:
    friend detail::socket_access;
    friend class owned_write_half<Stream>;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(detail::stream_of(of_)); }

    std::shared_ptr<Stream> of_;
};

/// The writing half that into_split() gives: it keeps the stream open. Destroying it shuts the writing side down, as
/// shutdown() does: the peer reads what is on its way, and then the end of the stream. Lifetime: it must outlive its
/// futures.
template <class Stream>
class owned_write_half : public writing<owned_write_half<Stream>> {
public:
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
    [[nodiscard]] const Stream& stream() const noexcept { return detail::stream_of(of_); }

    /// Drops the half, and leaves the writing side open: until the stream is closed by the end of the other half.
    void forget() && noexcept { of_.reset(); }
    /// Puts the stream together again. Errors: if `reader` is not the other half, both come back in the error.
    [[nodiscard]] std::expected<Stream, reunite_error<Stream>> reunite(owned_read_half<Stream> reader) && {
        return std::move(reader).reunite(std::move(*this));
    }
    // Only to say in a short error what to write.
    template <class... A>
    auto forget(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto reunite(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

private:
    friend detail::socket_access;
    friend class owned_read_half<Stream>;
    detail::io_socket& socket() const noexcept { return detail::socket_access::get(detail::stream_of(of_)); }

    std::shared_ptr<Stream> of_;
};

/// What into_split() gives.
template <class Stream>
struct owned_halves {
    owned_read_half<Stream> reader;
    owned_write_half<Stream> writer;

    explicit owned_halves(std::shared_ptr<Stream> of) noexcept : reader(of), writer(std::move(of)) {}
};

/// Two halves that are not of one stream.
template <class Stream>
struct reunite_error {
    owned_read_half<Stream> reader;
    owned_write_half<Stream> writer;

    reunite_error(owned_read_half<Stream>&& reads, owned_write_half<Stream>&& writes) noexcept
        : reader(std::move(reads)), writer(std::move(writes)) {}
    [[nodiscard]] std::string_view message() const noexcept {
        return "these halves are not of one stream: reunite those that one into_split() has given";
    }
};

// ---- Implementation ----

template <class Stream>
std::expected<Stream, reunite_error<Stream>> owned_read_half<Stream>::reunite(owned_write_half<Stream> writer) && {
    if (of_ != writer.of_) return std::unexpected(reunite_error<Stream>(std::move(*this), std::move(writer)));
    // Before the stream moves: the writer must not shut down what it has no more.
    std::move(writer).forget();
    Stream whole(std::move(*of_));
    of_.reset();
    return whole;
}

}  // namespace eddy::net
