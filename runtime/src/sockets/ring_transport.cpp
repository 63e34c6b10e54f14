// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include "io/buffer_pool.hpp"
#include "reactor/current_io.hpp"
#include "reactor/ring/accepted_connection.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"
#include "sockets/io_socket.hpp"
#include "sockets/socket_transport.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

ring_connection& stream_of(const io_socket& socket) noexcept { return ring_connection::of(socket.source()); }
ring_reactor& owner_of(const io_socket& socket) noexcept { return *socket.registered_with().ring(); }

/// Converts the result of ring_connection::take() to the result type of a transfer: `from_chunk(chunk)`, null at the
/// end of the stream; or `directly()`, where the connection requests a system call. `room` is the number of bytes of
/// such a call; 0 for an accept. `removes` is the number of bytes that the operation removes if they are there.
template <class FromChunk, class Directly>
auto take(const io_socket& socket, std::size_t room, std::size_t removes, const FromChunk& from_chunk,
          const Directly& directly) -> decltype(directly()) {
    using answer_type = decltype(directly());
    ring_connection& stream = stream_of(socket);
    ring_reactor& owner = owner_of(socket);
    const auto seen = stream.look(io::ready::all);
    const auto taken = stream.take(owner, removes);
    switch (taken.what) {
    case ring_connection::received::chunk: return from_chunk(taken.chunk);
    case ring_connection::received::end: return from_chunk(nullptr);
    case ring_connection::received::error: return answer_type(std::unexpect, taken.error, std::generic_category());
    case ring_connection::received::read_it_yourself: {
        auto answer = directly();
        if (!answer) {
            if (would_block(answer.error())) stream.request_receive(owner);
            return answer;
        }
        if (room == 0) return answer;
        const std::size_t count = moved_by(answer);
        stream.has_read(count);
        // In large-transfer mode, as with epoll, a short read has found everything that was there.
        if (taken.drains_if_short && removes != 0 && count < room && !may_cut_short(seen.ready)) {
            stream.clear_readiness(part_of(direction::read, seen));
        }
        if (count == 0) {
            if (const auto reset = stream.has_read_end()) return answer_type(std::unexpect, reset);
        }
        return answer;
    }
    case ring_connection::received::nothing: break;
    }
    return answer_type(std::unexpect, std::make_error_code(std::errc::operation_would_block));
}

}  // namespace

/// The transport of a ring connection, or of a listener whose connections the ring accepts: takes what the ring has
/// received, and passes bytes to the ring. Makes the system calls itself where the connection requests that.
class ring_transport final : public socket_transport {
public:
    result<std::size_t> read(const io_socket& socket, std::span<std::byte> into) const override {
        const auto copy = [&](received_chunk* chunk) -> result<std::size_t> {
            if (chunk == nullptr) return std::size_t{0};
            const std::size_t count = std::min(chunk->size(), into.size());
            std::memcpy(into.data(), chunk->data(), count);
            chunk->begin += static_cast<std::uint32_t>(count);
            if (chunk->size() == 0) {
                chunk->give_back();
            } else {
                stream_of(socket).put_back(*chunk);
            }
            return count;
        };
        return take(socket, into.size(), into.size(), copy, [&] { return by_system_calls.read(socket, into); });
    }
    result<std::size_t> read_vectored(const io_socket& socket, const iovec_list& into) const override {
        std::size_t total = 0;
        for (const auto& each : into.get()) {
            // An error, or the end of the stream, that follows the bytes is reported only once. So leave it for the
            // next read.
            if (total != 0 && !stream_of(socket).has_chunk()) break;
            const auto to = iovec_list::bytes_of(each);
            const auto count = read(socket, to);
            if (!count) return count;
            total += *count;
            if (*count != to.size()) break;
        }
        return total;
    }
    result<io::leased_buffer> receive(const io_socket& socket) const override {
        const auto lease = [](received_chunk* chunk) -> result<io::leased_buffer> {
            if (chunk == nullptr) return io::leased_buffer();
            return io::leased_buffer(*chunk->from, chunk->buffer, {chunk->data(), chunk->size()});
        };
        return take(socket, buffer_pool::buffer_size, buffer_pool::buffer_size, lease,
                    [&] { return by_system_calls.receive(socket); });
    }
    result<std::size_t> peek(const io_socket& socket, std::span<std::byte> into) const override {
        const auto copy = [&](received_chunk* chunk) -> result<std::size_t> {
            if (chunk == nullptr) return std::size_t{0};
            stream_of(socket).put_back(*chunk);
            return stream_of(socket).peek(into);
        };
        return take(socket, into.size(), 0, copy, [&] { return by_system_calls.peek(socket, into); });
    }
    result<std::size_t> write(const io_socket& socket, std::span<const std::byte> from) const override {
        return stream_of(socket).write(owner_of(socket), ring_here(), std::span(&from, 1));
    }
    result<std::size_t> write_vectored(const io_socket& socket, const iovec_list&,
                                       std::span<const std::span<const std::byte>> parts) const override {
        return stream_of(socket).write(owner_of(socket), ring_here(), parts);
    }
    result<std::size_t> write_leased(const io_socket& socket, io::leased_buffer& lease,
                                     std::span<const std::byte> from) const override {
        return stream_of(socket).write_leased(owner_of(socket), ring_here(), lease, from);
    }
    result<accepted_peer> accept(const io_socket& socket) const override {
        const auto with_peer = [](received_chunk* chunk) -> result<accepted_peer> {
            const auto accepted = accepted_connection::take(*chunk);
            sys::unique_fd fd(accepted.fd);
            if (!accepted.peer) return std::unexpected(accepted.peer.error());
            return accepted_peer(fd.release(), *accepted.peer);
        };
        const auto by_accept = [&] {
            auto accepted = by_system_calls.accept(socket);
            if (accepted) stream_of(socket).has_read(0);
            return accepted;
        };
        return take(socket, 0, 0, with_peer, by_accept);
    }
    /// The connection itself ends its readiness, see ring_connection::take().
    bool has_drained(const io_socket&, direction, io::ready) const override { return false; }

    bool registers_first() const override { return true; }
    result<scheduled_io*> add(io_handle& io, int fd, descriptor_kind kind) const override {
        using enum ring_connection::brings;
        const auto added = io.ring()->add(fd, kind == descriptor_kind::listener ? connections : bytes);
        if (!added) return std::unexpected(added.error());
        return *added;
    }
    void close(io_handle& io, scheduled_io& source) const noexcept override {
        io.ring()->close(ring_connection::of(source));
    }

    result<void> prepare_wait(const io_socket& socket, io::interest wanted) const override {
        if (wanted.is_priority()) {
            const auto watched = owner_of(socket).sources().watch_for_good(
                socket.source(), io::interest::readable | io::interest::writable | io::interest::priority);
            if (!watched) return std::unexpected(watched.error());
        }
        if (wanted.is_readable()) stream_of(socket).request_readiness(owner_of(socket));
        return ok();
    }
    /// Reading is not supported: the data may be in the ring's buffers already. From a write on, the epoll reports when
    /// the socket is writable.
    result<void> prepare_call(const io_socket& socket, io::interest wanted) const override {
        if (wanted != io::interest::writable) {
            return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
        }
        const auto sent = flush(socket);
        if (!sent) return std::unexpected(sent.error());
        if (!*sent) return std::unexpected(std::make_error_code(std::errc::operation_would_block));
        const auto watched = owner_of(socket).sources().watch_more(socket.source(), io::interest::writable);
        if (!watched) return std::unexpected(watched.error());
        return ok();
    }
    result<bool> flush(const io_socket& socket) const override { return stream_of(socket).flush(owner_of(socket)); }
    result<bool> finish_sending(const io_socket& socket) const override {
        return stream_of(socket).finish_sending(owner_of(socket));
    }
    bool end_writing(const io_socket& socket) const noexcept override {
        return stream_of(socket).shut_down_when_sent();
    }
    bool stop_receiving(const io_socket& socket) const override {
        return stream_of(socket).stop_receiving(owner_of(socket));
    }
    std::vector<std::byte> take_received(const io_socket& socket) const override {
        std::vector<std::byte> bytes;
        while (received_chunk* const chunk = stream_of(socket).take_chunk()) {
            bytes.insert(bytes.end(), chunk->data(), chunk->data() + chunk->size());
            chunk->give_back();
        }
        return bytes;
    }
    std::vector<int> take_connections(const io_socket& socket) const override {
        std::vector<int> connections;
        while (received_chunk* const chunk = stream_of(socket).take_chunk()) {
            connections.push_back(accepted_connection::take(*chunk).fd);
        }
        return connections;
    }
    std::error_code take_error(const io_socket& socket) const noexcept override {
        return stream_of(socket).take_error();
    }
};

namespace {

constexpr ring_transport through_ring;

}  // namespace

constinit const socket_transport& by_ring = through_ring;

}  // namespace eddy::detail
