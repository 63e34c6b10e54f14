// SPDX-License-Identifier: MIT
#include <eddy/net/detail/socket_registration.hpp>

#include <string>

#include <eddy/future/detail/await_record.hpp>

#include "reactor/current_io.hpp"
#include "reactor/io_handle.hpp"
#include "reactor/source/scheduled_io.hpp"
#include "sockets/io_socket.hpp"
#include "sockets/socket_transport.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

/// Ends the process: a socket was destroyed or moved while an operation, which was awaited at `polled_at`, waits.
[[noreturn, gnu::cold]] void end_borrowed(const std::source_location& polled_at) noexcept {
    std::string text =
        "a socket was destroyed or moved while one of its operations waits: end the operation first, by an abort of "
        "its task and a wait for the task, or drop its future; or move the socket into the task";
    if (*polled_at.file_name() != '\0') text += ". The operation was awaited";
    fatal_misuse(text, polled_at);
}

/// Returns "pipe", "terminal" or "socket".
const char* name_of(descriptor_kind kind) noexcept {
    switch (kind) {
    case descriptor_kind::pipe: return "pipe";
    case descriptor_kind::terminal: return "terminal";
    default: return "socket";
    }
}

}  // namespace

void socket_registration::check_not_borrowed() const noexcept {
    // SAFETY: a future removes itself from its waker slot before it is destroyed, so the record exists.
    if (const wait_record* const waits = source_->owner()) end_borrowed(source_location_of(waits->polled_at()));
    // A copy uses the public poll functions, which leave no wait_record.
    // SAFETY: each object is the base of an io_socket.
    const auto& socket = static_cast<const io_socket&>(*this);
    check_not_awaited(socket_part_of<direction::read>(socket), "a socket, or a stream that contains one,");
    check_not_awaited(socket_part_of<direction::write>(socket), "a socket, or a stream that contains one,");
}

void socket_registration::throw_empty(const std::source_location& where) const {
    const std::string kind = name_of(kind_);
    throw misuse("an operation on a " + kind + " that was moved from or destroyed: use the " + kind +
                     " that it was moved into, keep it until the objects that refer to it (its halves, a framed) are "
                     "gone, or make another one",
                 where);
}

void socket_registration::close() noexcept {
    if (source_ == nullptr) return sys::close(release());
    check_not_borrowed();
    transport().close(*io_, *std::exchange(source_, nullptr));
    fd_ = -1;
    static_cast<void>(release());
}

void socket_registration::bind_to(const reactor_handle& owner) noexcept {
    io_ = reactor_access::get(owner);
    io_->retain();
    // relaxed: the socket was just created, and no other thread has it.
    state_.store(state::bound, std::memory_order_relaxed);
}

result<void> socket_registration::end_pipe() noexcept {
    if (is_ended_) return ok();
    const auto unread = sys::make_unread_pipe();
    if (!unread) return std::unexpected(unread.error());
    // acquire, here and below: pairs with the release at the end of ensure_registered(), which a task that waits for
    // readiness may execute on another thread.
    state before = state_.load(std::memory_order_acquire);
    while (before != state::registered) {
        if (before == state::registering) {
            yield_thread();
            before = state_.load(std::memory_order_acquire);
        } else if (state_.compare_exchange_weak(before, state::registering, std::memory_order_acquire)) {
            break;
        }
    }
    const auto ended = before == state::registered ? io_->replace_file(*source_, unread->get())
                                                   : sys::replace_file(fd_, unread->get());
    // release: pairs with the acquire in ensure_registered(), so that another thread registers the new file.
    if (before != state::registered) state_.store(before, std::memory_order_release);
    is_ended_ = ended.has_value();
    return ended;
}

int socket_registration::release() noexcept {
    if (source_ != nullptr) static_cast<void>(io_->remove_source(*std::exchange(source_, nullptr)));
    if (io_ != nullptr) std::exchange(io_, nullptr)->release();
    state_.store(state::unregistered, std::memory_order_relaxed);  // relaxed: no other thread uses it anymore
    return std::exchange(fd_, -1);
}

result<void> socket_registration::ensure_registered(const context& cx) {
    io_handle* here = nullptr;
    // acquire, here and below: pairs with the release at the end, executed by the thread of the other direction.
    state before = state_.load(std::memory_order_acquire);
    for (;;) {
        if (before == state::registered) return ok();
        if (before == state::registering) {
            yield_thread();  // the other thread makes one system call
            before = state_.load(std::memory_order_acquire);
            continue;
        }
        if (before == state::unregistered && here == nullptr) {
            check_not_empty(cx.where());
            const auto current = current_io(cx.where());
            if (!current) return std::unexpected(current.error());
            here = *current;
        }
        // acquire: see above. No release: the state only announces that this thread registers; it publishes nothing
        // yet.
        if (state_.compare_exchange_weak(before, state::registering, std::memory_order_acquire)) break;
    }
    io_handle& io = before == state::bound ? *io_ : *here;
    const auto source = transport_of(io, kind_).add(io, fd_, kind_);
    if (source) {
        source_ = *source;
        if (before == state::unregistered) {
            io.retain();
            io_ = &io;
        }
    }
    // release: pairs with the acquire above and in is_registered().
    state_.store(source ? state::registered : before, std::memory_order_release);
    if (!source) return std::unexpected(source.error());
    return ok();
}

}  // namespace eddy::detail
