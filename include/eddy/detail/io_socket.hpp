// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/scheduled_io.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

class iovec_list;
class stream_source;

/// What a descriptor is, which says how it is read and written. Only of TCP the bytes come through a ring, where there
/// is one, and only there a short read means that no more is there.
enum class descriptor_kind : unsigned char {
    tcp,
    socket,  ///< any other
    datagram,
    pipe,
};

/// A socket of a loop: its descriptor, and its registration from the first operation on that would block. Every call
/// that moves bytes or connections is made here: on a readiness driver it is tried first and waits then; a completing
/// driver will be asked here in place of that.
class EDDY_API io_socket {
public:
    enum class registers_as : unsigned char { connection, listener };

    io_socket() noexcept = default;
    explicit io_socket(int fd, descriptor_kind kind = descriptor_kind::tcp) noexcept : fd_(fd), kind_(kind) {}
    io_socket(io_socket&& other) noexcept { take(other); }
    io_socket& operator=(io_socket&& other) noexcept {
        if (this == &other) return *this;
        io_socket old(std::move(*this));
        take(other);
        return *this;
    }
    ~io_socket() {
        if (fd_ >= 0) close();
    }

    [[nodiscard]] int fd() const noexcept { return fd_; }

    /// Registers with the reactor of `home`, when the time comes, and not with that of the loop that polls.
    void bind_to(const reactor_handle& home) noexcept;

    /// Deregisters and gives the descriptor up.
    [[nodiscard]] int release() noexcept;

    // ---- Operations that wait. Each tries first, and registers when it would block. `future` is who polls: by it its
    // waker is found again (see leave()); null if nobody will look for it. ----
    poll_result<result<std::size_t>> poll_read(context& cx, const void* future, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, const void* future,
                                                        std::span<const std::span<std::byte>> into);
    poll_result<result<io::leased_buffer>> poll_receive(context& cx, const void* future);
    poll_result<result<std::size_t>> poll_peek(context& cx, const void* future, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, const void* future, std::span<const std::byte> from);
    /// `from` is a part of the lease, which may be taken over, and is empty then.
    poll_result<result<std::size_t>> poll_write_leased(context& cx, const void* future, io::leased_buffer& lease,
                                                       std::span<const std::byte> from);
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, const void* future,
                                                         std::span<const std::span<const std::byte>> from);
    /// Of a socket whose connect(2) is in progress: done when it is writable, has no error, and has a peer.
    poll_result<result<void>> poll_connected(context& cx, const void* future);
    /// A connection's descriptor, and its peer.
    poll_result<result<std::pair<int, net::socket_addr>>> poll_accept(context& cx, const void* future);

    /// Done when what was written has been handed to the system.
    poll_result<result<void>> poll_flush(context& cx, const void* future);
    /// Done when that has been done and the writing side has been shut down. Nothing of a pipe.
    poll_result<result<void>> poll_shutdown(context& cx, const void* future);
    /// Shuts the writing side down when what was written has been handed to the system: now, mostly.
    void shut_down_soon() noexcept;
    /// As poll_flush(), for who gives the descriptor up: an error of the connection is left for
    /// take_connection_error().
    poll_result<result<void>> poll_sent(context& cx, const void* future);
    /// Done when the driver receives nothing any more, and take_received() gives all that is left.
    poll_result<result<void>> poll_stopped(context& cx, const void* future);
    [[nodiscard]] std::vector<std::byte> take_received();
    /// After both: what the driver was told of the connection, and nobody else has heard.
    [[nodiscard]] std::error_code take_connection_error() noexcept;
    [[nodiscard]] std::vector<int> take_connections();

    /// Registers, if that has not been done, so that what is `wanted` is told. Of two threads that come at the same
    /// moment, one for each direction, one registers and the other waits for it.
    result<void> ensure_ready_for(const context& cx, io::interest wanted);
    /// What is shared with the driver, once it is registered.
    [[nodiscard]] scheduled_io& source() const noexcept { return *source_; }

    /// Takes out the waker that a future has left here.
    void leave(direction way, const void* future) const noexcept {
        if (is_registered()) source_->leave_slot(way, future);
    }

    // ---- Operations that do not wait ----
    result<std::size_t> try_read(std::span<std::byte> into);
    result<std::size_t> try_write(std::span<const std::byte> from);
    result<std::size_t> try_read_vectored(std::span<const std::span<std::byte>> into);
    result<std::size_t> try_write_vectored(std::span<const std::span<const std::byte>> from);

    /// A user's call, once: see net::any_call::try_io().
    template <class Operation>
    std::invoke_result_t<Operation&> try_io(io::interest wanted, Operation& operation) const {
        if (!is_registered()) return operation();
        const io::ready_event seen = source_->look(io::ready::mask_of(wanted));
        if (seen.is_shutdown) return std::unexpected(make_error_code(errc::runtime_shutdown));
        auto answer = is_stream_ ? write_beside_ring(wanted, operation) : operation();
        if (!answer && answer.error() == std::errc::operation_would_block) static_cast<void>(forget(seen));
        return answer;
    }

    // ---- Any other call, which answers a result: see io/poll_call.hpp. (By reference: GCC copies a closure just after
    // its parts were written, and that waits for them.) ----
    template <class Call, class IsDrained>
    auto poll_call(direction way, context& cx, const void* future, const Call& call, const IsDrained& is_drained,
                   registers_as what = registers_as::connection) -> poll_result<decltype(call())>;
    template <class Call>
    auto try_call(direction way, const Call& call) -> decltype(call());

private:
    enum class state : unsigned char { unregistered, bound, registering, registered };

    /// A user's call that writes to a stream, behind what was written before.
    template <class Operation>
    std::invoke_result_t<Operation&> write_beside_ring(io::interest wanted, Operation& operation) const {
        // What a call would read may lie in the ring's buffers.
        if (wanted != io::interest::writable) {
            return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
        }
        if (const auto sent = send_what_was_written(); !sent) return std::unexpected(sent.error());
        auto answer = operation();
        if (answer || answer.error() != std::errc::operation_would_block) return answer;
        // From here on the epoll tells when there is room again.
        if (const auto watched = watch_writing(); !watched) return std::unexpected(watched.error());
        return answer;
    }
    /// Errors: operation_would_block until all is sent.
    [[nodiscard]] result<void> send_what_was_written() const;
    /// Has the driver tell of room, if it does not. Whether that is new.
    [[nodiscard]] result<bool> watch_writing() const;
    [[nodiscard]] result<void> begin_to_watch_writing() const;
    /// After a call that would block: forgets what it has disproved of what was `seen` before it.
    /// Errors: that nobody would tell when there is room again. Nothing is forgotten then.
    [[nodiscard]] result<void> forget(const io::ready_event& seen) const {
        if (kind_ == descriptor_kind::datagram && seen.ready.is_writable()) {
            if (const auto watched = watch_writing(); !watched) return std::unexpected(watched.error());
        }
        source_->clear_blocked(seen);
        return ok();
    }

    // acquire: pairs with the release in ensure_registered(), which may be run by the other direction's thread.
    [[nodiscard]] bool is_registered() const noexcept {
        return state_.load(std::memory_order_acquire) == state::registered;
    }
    /// Takes over what `other` has; this one is empty. Neither is in use elsewhere, as whenever a stream is moved:
    /// hence relaxed, and no exchange.
    void take(io_socket& other) noexcept {
        if (other.source_ != nullptr) check_not_borrowed(*other.source_);
        fd_ = std::exchange(other.fd_, -1);
        is_drained_ = other.is_drained_;
        is_stream_ = other.is_stream_;
        kind_ = other.kind_;
        io_ = std::exchange(other.io_, nullptr);
        source_ = std::exchange(other.source_, nullptr);
        state_.store(other.state_.load(std::memory_order_relaxed), std::memory_order_relaxed);
        other.state_.store(state::unregistered, std::memory_order_relaxed);
    }
    /// Operations borrow their socket: one that waits must end before the socket is destroyed or moved.
    static void check_not_borrowed(const scheduled_io& source) noexcept;
    /// Throws `misuse` if it has no descriptor. To be asked when a call has failed, or before the first one that
    /// registers: an operation that succeeds has one.
    void check_not_empty(const std::source_location& where) const {
        if (fd_ < 0) throw_moved_from(where);
    }
    [[noreturn, gnu::cold]] void throw_moved_from(const std::source_location& where) const;
    void close() noexcept;
    result<void> ensure_registered(const context& cx, registers_as what = registers_as::connection);
    /// Whether its bytes, or its connections, come through a ring, or will: then it is registered.
    [[nodiscard]] bool is_stream(const context& cx, registers_as what = registers_as::connection) {
        if (is_registered()) return is_stream_;
        return could_be_stream() && ensure_registered(cx, what).has_value() && is_stream_;
    }
    [[nodiscard]] bool could_be_stream() const noexcept;
    [[nodiscard]] stream_source& stream() const noexcept;

    result<void> shut_down_now() const noexcept;
    [[nodiscard]] bool is_pipe() const noexcept { return kind_ == descriptor_kind::pipe; }
    result<std::size_t> recv_some(std::span<std::byte> into) const noexcept;
    result<std::size_t> send_some(std::span<const std::byte> from) const noexcept;
    result<std::size_t> recv_parts(const iovec_list& into) const noexcept;
    result<std::size_t> send_parts(const iovec_list& from) const noexcept;
    template <class FromChunk, class Directly>
    auto receive_from_ring(const FromChunk& from_chunk, const Directly& directly, std::size_t room, bool& is_drained)
        -> decltype(directly());
    result<std::pair<int, net::socket_addr>> accept();
    result<std::pair<int, net::socket_addr>> accept_from_ring();
    result<std::size_t> read_from_ring(std::span<std::byte> into, bool& is_drained);
    result<std::size_t> scatter_from_ring(const iovec_list& into, bool& is_drained);
    static io::ready_event part_of(direction way, const io::ready_event& seen) noexcept;

    // A waiting connection has one of these in its frame: so it is small, and holds no io::registration.
    int fd_ = -1;
    atomic<state> state_{state::unregistered};
    // The last read, before it was registered, has taken all there was. Of the reading direction only.
    bool is_drained_ = false;
    bool is_stream_ = false;  // source_ is a stream_source
    descriptor_kind kind_ = descriptor_kind::tcp;
    io_handle* io_ = nullptr;         // counted; there if bound or registered
    scheduled_io* source_ = nullptr;  // there if registered
};

/// The future of one operation on an io_socket. `Op` says which: `value_type`, `way`, and
/// `poll(io_socket&, context&, future)`, which answers a poll_result<result<value_type>>.
/// It leaves nothing behind when it is dropped: no waker, no byte taken. Small, since it stays in the frame of whoever
/// waits.
template <class Op>
class [[nodiscard("an operation does nothing until it is awaited")]] io_operation
    : public future_ops<io_operation<Op>> {
public:
    using output_type = result<typename Op::value_type>;

    template <class... Args>
    explicit io_operation(io_socket& socket, Args&&... args) noexcept
        : socket_(&socket), op_(std::forward<Args>(args)...) {}
    io_operation(io_operation&& other) noexcept : socket_(other.socket_), op_(std::move(other.op_)) {
        if (other.state_ == state::waiting) {
            fatal_misuse("an I/O operation was moved while it waits: move it before its first poll");
        }
    }
    io_operation& operator=(io_operation&&) = delete;
    ~io_operation() {
        if (has_waited_) socket_->leave(Op::way, this);
    }

    poll_result<output_type> poll(context& cx) {
        if (state_ == state::ended) throw_has_ended("an I/O operation", cx.where());
        auto answer = op_.poll(*socket_, cx, this);
        if (answer.is_ready()) {
            state_ = state::ended;
        } else {
            state_ = state::waiting;
            has_waited_ = true;
        }
        return answer;
    }

private:
    enum class state : unsigned char { fresh, waiting, ended };

    io_socket* socket_;
    [[no_unique_address]] Op op_;
    state state_ = state::fresh;
    bool has_waited_ = false;  // so its waker may be with the socket
};

}  // namespace eddy::detail
