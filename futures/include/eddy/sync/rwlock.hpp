// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/detail/held_lock.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>
#include <eddy/sync/lock_future.hpp>

namespace eddy::sync {

/// An rwlock that is locked for reading, and access to its value. The destructor unlocks it. unlock() does so earlier;
/// it wakes the next waiters and never waits. As with a mutex, a temporary guard unlocks at the end of its full
/// expression.
/// Thread safety: one thread at a time. It may be destroyed on a different thread than the one that locked.
template <class T, class Owner>
class [[nodiscard("it unlocks when it is destroyed")]] basic_read_guard
    : public eddy::detail::held_lock<T, Owner, std::size_t> {
    using held = eddy::detail::held_lock<T, Owner, std::size_t>;
    static constexpr const char* operation = "an rwlock's read()";
    static constexpr auto awaited = eddy::detail::wait_kind::read_lock;
    template <class, class>
    friend class basic_read_guard;
    template <class, class>
    friend class basic_write_guard;
    template <class>
    friend class lock_future;
    template <class>
    friend class rwlock;

    explicit basic_read_guard(held&& taken) noexcept : held(std::move(taken)) {}

public:
    /// Narrows the guard to a part of the value. `fn` is a pointer to a member, or a function that returns a reference
    /// into the value. This guard is empty afterwards. If `fn` throws, this guard keeps the lock.
    template <class Fn>
    [[nodiscard]] auto map(Fn&& fn) && {
        using narrow = decltype(this->narrow(std::forward<Fn>(fn)));
        return basic_read_guard<typename narrow::value_type, Owner>(this->narrow(std::forward<Fn>(fn)));
    }

    /// Same as map(), with a function that returns a pointer.
    /// Errors: returns this guard if the pointer is null.
    template <class Fn, class U = typename held::template found_by<Fn>>
    [[nodiscard]] std::expected<basic_read_guard<U, Owner>, basic_read_guard> try_map(Fn&& fn) && {
        U* const part = std::invoke(std::forward<Fn>(fn), **this);
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_read_guard<U, Owner>(this->hand_over(*part));
    }
};

/// An rwlock that is locked for writing, and access to its value. The destructor unlocks it; see basic_read_guard.
/// Thread safety: same as basic_read_guard.
template <class T, class Owner>
class [[nodiscard("it unlocks when it is destroyed")]] basic_write_guard
    : public eddy::detail::held_lock<T, Owner, std::size_t> {
    using held = eddy::detail::held_lock<T, Owner, std::size_t>;
    static constexpr const char* operation = "an rwlock's write()";
    static constexpr auto awaited = eddy::detail::wait_kind::write_lock;
    template <class, class>
    friend class basic_write_guard;
    template <class>
    friend class lock_future;
    template <class>
    friend class rwlock;

    explicit basic_write_guard(held&& taken) noexcept : held(std::move(taken)) {}

public:
    /// Turns the write lock into a read lock without letting another writer in between. Wakes the readers at the front
    /// of the queue; they do not overtake a waiting writer.
    /// Preconditions: owns_lock().
    [[nodiscard]] basic_read_guard<const T, Owner> downgrade() && noexcept {
        return basic_read_guard<const T, Owner>(this->downgraded(**this));
    }
    /// Same as downgrade(), and narrows the guard to a part of the value. `fn` is a pointer to a member, or a function
    /// that takes a `const T&` and returns a reference into the value. It runs while the value is still locked for
    /// writing. If it throws, this guard keeps the lock.
    /// Preconditions: owns_lock().
    template <class Fn>
    [[nodiscard]] auto downgrade_map(Fn&& fn) && {
        using found = std::invoke_result_t<Fn, const T&>;
        static_assert(std::is_lvalue_reference_v<found>,
                      "eddy: downgrade_map takes a pointer to a member, or a function that returns a reference into "
                      "the value");
        found part = std::invoke(std::forward<Fn>(fn), std::as_const(**this));
        return basic_read_guard<const std::remove_reference_t<found>, Owner>(this->downgraded(part));
    }
    /// Same as downgrade_map(), with a function that returns a pointer.
    /// Errors: returns this guard, which still holds the write lock, if the pointer is null.
    /// Preconditions: owns_lock().
    template <class Fn, class U = std::remove_pointer_t<std::invoke_result_t<Fn, const T&>>>
    [[nodiscard]] std::expected<basic_read_guard<const U, Owner>, basic_write_guard> try_downgrade_map(Fn&& fn) && {
        const U* const part = std::invoke(std::forward<Fn>(fn), std::as_const(**this));
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_read_guard<const U, Owner>(this->downgraded(*part));
    }

    /// Same as map() and try_map() of basic_read_guard.
    template <class Fn>
    [[nodiscard]] auto map(Fn&& fn) && {
        using narrow = decltype(this->narrow(std::forward<Fn>(fn)));
        return basic_write_guard<typename narrow::value_type, Owner>(this->narrow(std::forward<Fn>(fn)));
    }
    template <class Fn, class U = typename held::template found_by<Fn>>
    [[nodiscard]] std::expected<basic_write_guard<U, Owner>, basic_write_guard> try_map(Fn&& fn) && {
        U* const part = std::invoke(std::forward<Fn>(fn), **this);
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_write_guard<U, Owner>(this->hand_over(*part));
    }
};

/// The guards of an rwlock<T>. They refer to the lock, which must outlive them.
template <class T>
using rwlock_read_guard = basic_read_guard<const T, eddy::detail::permit_state*>;
template <class T>
using rwlock_write_guard = basic_write_guard<T, eddy::detail::permit_state*>;
/// The guards of the `_owned` functions. They share ownership of the lock.
template <class T>
using owned_rwlock_read_guard = basic_read_guard<const T, std::shared_ptr<eddy::detail::permit_state>>;
template <class T>
using owned_rwlock_write_guard = basic_write_guard<T, std::shared_ptr<eddy::detail::permit_state>>;

/// A value that several tasks or threads may read at the same time, or one may write. Waiters are served in the order
/// in which they arrived. A reader that arrives after a waiting writer waits behind it, so writers do not starve. Does
/// not need a runtime. An exception that destroys a guard only unlocks; the lock is not poisoned. A task that holds a
/// read guard and requests a second one deadlocks if a writer has started to wait in between. Hold one guard per task.
/// Thread safety: all members may be called from any thread, except get_mut() and into_inner(), which need exclusive
/// access.
/// Lifetime: the lock must outlive its futures and guards. The futures and guards of the `_owned` functions share its
/// ownership. Destroying the lock while it is locked, or while a task waits for it, terminates the program.
/// Cost: one read-modify-write to lock it if it is free, and one to unlock it if there are no waiters. Waiting does not
/// allocate.
template <class T>
class rwlock {
    using state = eddy::detail::permit_state;
    using shared = std::shared_ptr<rwlock>;
    using source_location = std::source_location;

public:
    /// The types of the value and of the guards.
    using value_type = T;
    using read_guard = rwlock_read_guard<T>;
    using write_guard = rwlock_write_guard<T>;
    using owned_read_guard = owned_rwlock_read_guard<T>;
    using owned_write_guard = owned_rwlock_write_guard<T>;

    /// The default limit of concurrent readers.
    static constexpr std::uint32_t default_max_readers = std::numeric_limits<std::uint32_t>::max() >> 3;

    /// Constructs the value by default.
    rwlock()
        requires std::default_initializable<T>
        : state_(default_max_readers), max_readers_(default_max_readers), value_() {}
    /// Constructs the value from `value`, with a limit of concurrent readers.
    /// Errors: throws `misuse` if `max_readers` is 0.
    explicit rwlock(T value, std::uint32_t max_readers = default_max_readers,
                    source_location where = source_location::current())
        : state_(checked(max_readers, where)), max_readers_(max_readers), value_(std::move(value)) {}
    /// Constructs the value in place from `arguments`.
    template <class... A>
        requires std::constructible_from<T, A...>
    explicit rwlock(std::in_place_t, A&&... arguments)
        : state_(default_max_readers), max_readers_(default_max_readers), value_(std::forward<A>(arguments)...) {}
    rwlock(const rwlock&) = delete;
    rwlock& operator=(const rwlock&) = delete;
    ~rwlock() {
        state_.check_all_free(max_readers_,
                              "a sync::rwlock was destroyed while it is locked: keep it until its guards and futures "
                              "are gone, or use read_owned() and write_owned()");
    }

    /// Returns a future of the guard, for reading or for writing.
    /// Cancel safety: safe. Dropping the future gives up its place in the queue. If it has already received the lock,
    /// the lock passes to the next waiter.
    [[nodiscard]] lock_future<read_guard> read() noexcept { return {value_, &state_, 1}; }
    [[nodiscard]] lock_future<write_guard> write() noexcept { return {value_, &state_, max_readers_}; }

    /// Returns the guard if the lock is available and there are no waiters. Never waits.
    [[nodiscard]] std::optional<read_guard> try_read() noexcept { return try_take<read_guard>(*this, &state_, 1); }
    [[nodiscard]] std::optional<write_guard> try_write() noexcept {
        return try_take<write_guard>(*this, &state_, max_readers_);
    }

    /// Same as the functions above, but the guards and the futures share ownership of the lock, so they may outlive
    /// other references to it.
    /// Errors: throws `misuse` if `lock` is null.
    /// Cancel safety: same as read() and write().
    [[nodiscard]] static lock_future<owned_read_guard> read_owned(const shared& lock,
                                                                  source_location where = source_location::current()) {
        return {checked(lock, where).value_, share_of(lock), 1};
    }
    [[nodiscard]] static lock_future<owned_write_guard> write_owned(
        const shared& lock, source_location where = source_location::current()) {
        return {checked(lock, where).value_, share_of(lock), lock->max_readers_};
    }
    [[nodiscard]] static std::optional<owned_read_guard> try_read_owned(
        const shared& lock, source_location where = source_location::current()) {
        return try_take<owned_read_guard>(checked(lock, where), share_of(lock), 1);
    }
    [[nodiscard]] static std::optional<owned_write_guard> try_write_owned(
        const shared& lock, source_location where = source_location::current()) {
        return try_take<owned_write_guard>(checked(lock, where), share_of(lock), lock->max_readers_);
    }

    eddy::detail::broken_future read_owned(std::same_as<void> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);
    eddy::detail::broken_future write_owned(std::same_as<void> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);
    eddy::detail::broken_future try_read_owned(std::same_as<void> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);
    eddy::detail::broken_future try_write_owned(std::same_as<void> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);

    /// Blocks this thread until the lock is acquired; see `eddy::wait`.
    [[nodiscard]] read_guard blocking_read(source_location where = source_location::current()) {
        return eddy::wait(read(), where);
    }
    [[nodiscard]] write_guard blocking_write(source_location where = source_location::current()) {
        return eddy::wait(write(), where);
    }

    /// Returns the value, or moves it out, without locking. The caller must have exclusive access.
    /// Errors: throws `misuse` if the lock is held.
    [[nodiscard]] T& get_mut(source_location where = source_location::current()) {
        if (state_.available() != max_readers_)
            throw misuse(
                "get_mut() and into_inner() need exclusive access, and this rwlock is locked: release its guards first",
                where);
        return value_;
    }
    [[nodiscard]] T into_inner(source_location where = source_location::current()) && {
        return std::move(get_mut(where));
    }

    /// Returns the limit of concurrent readers.
    [[nodiscard]] std::uint32_t max_readers() const noexcept { return max_readers_; }

private:
    static std::uint32_t checked(std::uint32_t max_readers, const source_location& where) {
        if (max_readers == 0) throw misuse("an rwlock must admit at least one reader: pass a limit above 0", where);
        return max_readers;
    }
    static rwlock& checked(const shared& lock, const source_location& where) {
        if (lock == nullptr)
            throw misuse("an owned guard needs a lock: make one with std::make_shared<rwlock<T>>()", where);
        return *lock;
    }
    static std::shared_ptr<state> share_of(const shared& lock) noexcept { return {lock, &lock->state_}; }
    template <class Guard>
    static std::optional<Guard> try_take(rwlock& from, typename Guard::owner_type owner, std::size_t count) noexcept {
        if (owner->try_acquire(count) != eddy::detail::acquired::yes) return std::nullopt;
        return Guard(typename Guard::held(from.value_, std::move(owner), count));
    }

    state state_;
    std::uint32_t max_readers_;
    T value_;
};

}  // namespace eddy::sync
