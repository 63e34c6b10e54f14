// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <eddy/detail/io_socket.hpp>

#include "reactor/current_io.hpp"
#include "reactor/io_handle.hpp"
#include "reactor/ring/received_chunk.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "sockets/poll_call.hpp"
#include "sockets/socket_transport.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {

/// The transport of a ring connection, or of a listener whose connections the ring accepts: takes what the ring has
/// received, and passes bytes to the ring. Makes the system calls itself where the connection requests that, see
/// ring_connection::take().
/// Preconditions: the socket is registered as a ring connection.
class ring_transport {
public:
    explicit ring_transport(const io_socket& socket) noexcept : socket_(socket) {}

    [[nodiscard]] result<std::size_t> read(std::span<std::byte> into) noexcept {
        const auto copy = [&](received_chunk* chunk) -> result<std::size_t> {
            if (chunk == nullptr) return std::size_t{0};
            const std::size_t count = std::min(chunk->size(), into.size());
            std::memcpy(into.data(), chunk->data(), count);
            chunk->begin += static_cast<std::uint32_t>(count);
            if (chunk->size() == 0) {
                chunk->give_back();
            } else {
                stream().put_back(*chunk);
            }
            return count;
        };
        return take(copy, [&] { return directly().read(into); }, into.size());
    }
    [[nodiscard]] result<std::size_t> read_vectored(const iovec_list& into) noexcept {
        std::size_t total = 0;
        for (const auto& each : into.get()) {
            // An error, or the end of the stream, that follows the bytes is reported only once. So leave it for the
            // next read.
            if (total != 0 && !stream().has_chunk()) break;
            const auto to = iovec_list::bytes_of(each);
            const auto count = read(to);
            if (!count) return count;
            total += *count;
            if (*count != to.size()) break;
        }
        return total;
    }
    [[nodiscard]] result<io::leased_buffer> receive() {
        const auto lease = [](received_chunk* chunk) -> result<io::leased_buffer> {
            if (chunk == nullptr) return io::leased_buffer();
            return io::leased_buffer(*chunk->from, chunk->buffer, {chunk->data(), chunk->size()});
        };
        return take(lease, [&] { return directly().receive(); }, buffer_pool::buffer_size);
    }
    [[nodiscard]] result<std::size_t> peek(std::span<std::byte> into) noexcept {
        const auto copy = [&](received_chunk* chunk) -> result<std::size_t> {
            if (chunk == nullptr) return std::size_t{0};
            stream().put_back(*chunk);
            return stream().peek(into);
        };
        return take(copy, [&] { return directly().peek(into); }, into.size(), 0);
    }
    [[nodiscard]] result<std::size_t> write(std::span<const std::byte> from) const noexcept {
        return stream().write(socket_.registered_with(), ring_here(), std::span(&from, 1));
    }
    [[nodiscard]] result<std::size_t> write_vectored(const iovec_list&,
                                                     std::span<const std::span<const std::byte>> parts) const noexcept {
        return stream().write(socket_.registered_with(), ring_here(), parts);
    }
    [[nodiscard]] result<std::size_t> write_leased(io::leased_buffer& lease,
                                                   std::span<const std::byte> from) const noexcept {
        return stream().write_leased(socket_.registered_with(), ring_here(), lease, from);
    }
    [[nodiscard]] result<accepted_peer> accept() {
        const auto with_peer = [](received_chunk* chunk) -> result<accepted_peer> {
            const auto accepted = accepted_connection::take(*chunk);
            sys::unique_fd fd(accepted.fd);
            if (!accepted.peer) return std::unexpected(accepted.peer.error());
            return accepted_peer(fd.release(), *accepted.peer);
        };
        const auto by_accept = [&] {
            auto accepted = directly().accept();
            if (accepted) stream().accepts_again();
            return accepted;
        };
        return take(with_peer, by_accept, 0);
    }
    [[nodiscard]] bool has_drained(direction, std::size_t, std::size_t room, io::ready seen) const noexcept {
        return room != 0 && is_drained_ && !may_cut_short(seen);
    }

private:
    [[nodiscard]] ring_connection& stream() const noexcept { return ring_connection::of(socket_.source()); }
    [[nodiscard]] direct_transport directly() const noexcept { return direct_transport(socket_); }

    /// Converts the result of ring_connection::take() to the result type of the call. A null chunk is the end of the
    /// stream.
    template <class FromChunk, class Directly>
    auto take(const FromChunk& from_chunk, const Directly& directly, std::size_t room) -> decltype(directly()) {
        return take(from_chunk, directly, room, room);
    }
    /// `removes`: the number of bytes that from_chunk() removes if the chunk has them.
    template <class FromChunk, class Directly>
    auto take(const FromChunk& from_chunk, const Directly& directly, std::size_t room, std::size_t removes)
        -> decltype(directly()) {
        using answer_type = decltype(directly());
        io_handle& io = socket_.registered_with();
        const auto taken = stream().take(io, removes);
        switch (taken.what) {
        case ring_connection::received::chunk: return from_chunk(taken.chunk);
        case ring_connection::received::end: return from_chunk(nullptr);
        case ring_connection::received::error: return answer_type(std::unexpect, taken.error, std::generic_category());
        case ring_connection::received::read_it_yourself: {
            auto answer = directly();
            is_drained_ = taken.drains_if_short && answer && moved_by(answer) < room;
            if (answer && room != 0) stream().has_read(moved_by(answer));
            if (answer && moved_by(answer) == 0 && room != 0) {
                if (const auto reset = stream().has_read_end()) return answer_type(std::unexpect, reset);
            }
            if (!answer && would_block(answer.error())) stream().request_receive(io);
            return answer;
        }
        case ring_connection::received::nothing: break;
        }
        return answer_type(std::unexpect, std::make_error_code(std::errc::operation_would_block));
    }

    const io_socket& socket_;
    bool is_drained_ = false;  // the last recv(2) has found everything that was there
};

static_assert(socket_transport<ring_transport>);

}  // namespace eddy::detail
