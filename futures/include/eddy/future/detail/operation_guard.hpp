// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

// Detects two operations that use an object at the same time which permits only one, or one in each direction. Without
// this, each of them may take what belongs to the other: the answer of its job, its wake-up, its bytes.
//
// The object has a guard, and each future that uses it has a hold. An operation is in flight from its first poll until
// it is ready, or its future is destroyed. The first poll of another one throws `misuse`, with the locations of both,
// before it has touched the object. The one in flight is not disturbed.
//
// An operation of a task that was aborted on this thread's event loop, and whose future still exists because the loop
// has not run the task since, is no reason to refuse another one: that takes the guard over. So does one whose future
// has left a task that ended. On a pool, another thread may be polling or destroying the future of an aborted task:
// there the task must be awaited first. An operation that began to wait after the abort is one of a cleanup, and stays.

namespace eddy::detail {

class operation_hold;

/// Whether one task may have several operations in flight, in a join for example. This is permitted for objects that
/// store one waker, because all operations of a task have the same waker.
enum class same_task : bool { refused, permitted };

/// Returns whether `task` wakes a task that was aborted. False if the waker is not one of a task.
[[nodiscard]] EDDY_API bool wakes_aborted_task(const waker& task) noexcept;

/// Which aborted tasks give way: only tasks of this thread's event loop, which the loop does not run at the moment, or
/// all.
enum class aborted_tasks : bool { of_this_thread, all };

/// Returns whether an operation in flight is no reason to refuse another one: the task that `task` wakes has ended, or
/// was aborted, and the operation is none of its cleanup.
[[nodiscard]] EDDY_API bool gives_way(const waker& task, bool is_of_cleanup, aborted_tasks which) noexcept;

/// The guard of an object, or of one direction of it. A member of the object.
/// Thread safety: any thread. Operations that are not in flight at the same time must be ordered by the program, as all
/// uses of the object.
/// Lifetime: may be destroyed while an operation is in flight, but not at the same time as the operation. A move makes
/// a free guard: it belongs to another object.
class EDDY_API operation_guard {
public:
    /// `text` says what was used twice, and what to do: "two operations use ... at the same time: ...".
    explicit operation_guard(const char* text, same_task several = same_task::refused) noexcept
        : text_(text), several_(several) {}
    operation_guard(operation_guard&& other) noexcept : text_(other.text_), several_(other.several_) {}
    operation_guard& operator=(operation_guard&&) noexcept { return *this; }
    ~operation_guard();

private:
    friend operation_hold;

    bool take_over(operation_hold& next, const context& cx, const std::source_location& where);
    void keep(const waker& task) noexcept;
    void give_back(const operation_hold& ended) noexcept;

    // relaxed, all accesses: the guard publishes no data, since the program orders the operations.
    atomic<operation_hold*> holder_{nullptr};
    atomic<call_site> awaited_at_{nullptr};  // by the holder
    const char* const text_;
    const same_task several_;
    spin_lock lock_;              // for the waker, and for changes of the holder while there is one
    waker task_;                  // of a holder that waits
    bool is_of_cleanup_ = false;  // under the lock: the task was aborted before the holder began to wait
};

/// The part of a future that holds the guard of the object while the operation is in flight.
/// Thread safety: not synchronized.
class EDDY_API operation_hold {
public:
    operation_hold() noexcept = default;
    // A future that is moved has not begun; if it has, the operation begins again.
    operation_hold(operation_hold&& other) noexcept { other.leave(); }
    operation_hold& operator=(operation_hold&&) = delete;
    ~operation_hold() { leave(); }

    /// Call this before a poll of the operation, which is awaited at `where`. `of` is null if there is no object.
    /// Errors: throws `misuse` if another operation is in flight.
    void enter(operation_guard* of, const context& cx, const std::source_location& where) {
        if (guard_ != nullptr || of == nullptr) return;
        operation_hold* none = nullptr;
        if (!of->holder_.compare_exchange_strong(none, this, std::memory_order_relaxed) &&
            !of->take_over(*this, cx, where))
            return;
        guard_ = of;
        of->awaited_at_.store(call_site_of(where), std::memory_order_relaxed);
    }
    void enter(operation_guard* of, const context& cx) { enter(of, cx, cx.where()); }
    /// Call this after the poll.
    void end_poll(bool is_ready, const context& cx) noexcept {
        if (is_ready) return leave();
        if (guard_ == nullptr) return;
        has_waited_ = true;
        guard_->keep(cx.waker());
    }
    /// Ends the operation; the destructor also does.
    void leave() noexcept {
        if (guard_ == nullptr) return;
        if (has_waited_) return leave_slowly();
        guard_->holder_.store(nullptr, std::memory_order_relaxed);
        guard_ = nullptr;
    }

    /// Returns whether the operation is in flight, and no other one has taken its place.
    [[nodiscard]] bool is_held() const noexcept { return guard_ != nullptr; }

private:
    friend operation_guard;
    void leave_slowly() noexcept;

    operation_guard* guard_ = nullptr;
    bool has_waited_ = false;
};

/// Gives the library access to the private functions `read_guard()` and `write_guard()` of a class, which return
/// pointers to the guards of the operations in each direction. They are null if the object was moved from.
struct guard_access {
    template <direction Way, class S>
        requires(Way == direction::read)
    static auto get(S& self) noexcept -> decltype(self.read_guard()) {
        return self.read_guard();
    }
    template <direction Way, class S>
        requires(Way == direction::write)
    static auto get(S& self) noexcept -> decltype(self.write_guard()) {
        return self.write_guard();
    }
};

/// Returns the guard of a reader, writer, stream or sink for a direction: its own, or the guard of the object in it. Of
/// a socket, the io_socket, whose waker slots are the guards. Null, as a std::nullptr_t, if there is none.
/// Errors: same as inner(), for example for a box that was moved from.
template <direction Way, class S>
auto guard_of(S& stream) {
    if constexpr (requires { guard_access::get<Way>(stream); }) {
        return guard_access::get<Way>(stream);
    } else if constexpr (socket_access::has_socket<S>) {
        return std::addressof(socket_access::get(stream));
    } else if constexpr (requires { requires std::is_lvalue_reference_v<decltype(stream.inner())>; }) {
        return guard_of<Way>(stream.inner());
    } else if constexpr (requires { awaited_reader(stream); }) {
        return guard_of<Way>(awaited_reader(stream));
    } else {
        return nullptr;
    }
}

/// The hold of a future that uses a socket by its poll functions, which leave a waker without an owner in the slot.
template <direction Way>
class EDDY_API socket_hold {
public:
    socket_hold() noexcept = default;
    socket_hold(socket_hold&& other) noexcept { other.leave(); }
    socket_hold& operator=(socket_hold&&) = delete;
    ~socket_hold() { leave(); }

    /// Same as in an operation_hold. The poll itself throws `misuse`.
    void enter(io_socket* of, const context&) noexcept {
        leave();  // the waker of the last poll, which would look like the waker of another operation
        of_ = of;
    }
    void end_poll(bool is_ready, const context& cx) noexcept;

private:
    void leave() noexcept;

    io_socket* of_ = nullptr;  // null before the first poll, and at the end
    wait_record record_;       // the owner of the waker in the slot
};

/// The hold of a future whose object has no guard.
struct no_hold {
    void enter(std::nullptr_t, const context&) const noexcept {}
    void end_poll(bool, const context&) const noexcept {}
};

/// Whether an `S` has a guard for a direction.
template <direction Way, class S>
inline constexpr bool is_guarded = !std::is_null_pointer_v<decltype(guard_of<Way>(std::declval<S&>()))>;

/// The hold of a future that uses an `S` in a direction.
template <direction Way, class S>
using hold_of =
    std::conditional_t<!is_guarded<Way, S>, no_hold,
                       std::conditional_t<std::is_same_v<decltype(guard_of<Way>(std::declval<S&>())), io_socket*>,
                                          socket_hold<Way>, operation_hold>>;

/// Polls by `poll()`, after `hold` was entered. An exception ends the operation, too.
template <class Hold, class Poll>
[[gnu::always_inline]] inline auto poll_entered(Hold& hold, context& cx, const Poll& poll) {
    try {
        auto answer = poll();
        hold.end_poll(answer.is_ready(), cx);
        return answer;
    } catch (...) {
        hold.end_poll(true, cx);
        throw;
    }
}

/// Polls by `poll()` while `hold` has the guard of `object`.
/// Errors: throws `misuse` if another operation is in flight.
template <direction Way, class Hold, class S, class Poll>
[[gnu::always_inline]] inline auto poll_held(Hold& hold, S& object, context& cx, const Poll& poll) {
    hold.enter(guard_of<Way>(object), cx);
    return poll_entered(hold, cx, poll);
}

/// The holds of a copy. A direction is in flight only while the copy waits for it, so that others may use the object
/// meanwhile. Sockets are not held.
class copy_holds {
public:
    template <direction Way, class S, class Poll>
    auto during(S& object, context& cx, const Poll& poll) {
        if constexpr (std::is_same_v<hold_of<Way, S>, operation_hold>) {
            return poll_held<Way>(Way == direction::read ? reading_ : writing_, object, cx, poll);
        } else {
            return poll();
        }
    }

    /// Ends the operations, when the copy has ended.
    void leave() noexcept {
        reading_.leave();
        writing_.leave();
    }

private:
    operation_hold reading_;
    operation_hold writing_;
};

/// The hold of a future that sends to an `S`.
template <class S>
class sink_hold {
public:
    /// See poll_held().
    template <class Poll>
    [[gnu::always_inline]] auto during(S& sink, context& cx, const Poll& poll) {
        return poll_held<direction::write>(hold_, sink, cx, poll);
    }

private:
    [[no_unique_address]] hold_of<direction::write, S> hold_;
};

}  // namespace eddy::detail
