// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/detail/acquisition.hpp>
#include <eddy/sync/detail/held_lock.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>
#include <eddy/sync/lock_future.hpp>

namespace eddy::sync {

/// A locked mutex and access to its value (`*guard`, `guard->...`). The destructor unlocks the mutex. unlock() does so
/// earlier; it wakes the next waiter and never waits.
/// A temporary guard unlocks at the end of its full expression: in `int& x = *co_await m.lock();` the reference
/// outlives the lock. A guard that was moved from or unlocked is empty: owns_lock() is false and it has no value.
/// Thread safety: one thread at a time. It may be destroyed on a different thread than the one that locked.
template <class T, class Owner>
class [[nodiscard("it unlocks when it is destroyed")]] basic_mutex_guard
    : public eddy::detail::held_lock<T, Owner, eddy::detail::one_permit> {
    using held = eddy::detail::held_lock<T, Owner, eddy::detail::one_permit>;
    static constexpr const char* operation = "a mutex's lock()";
    static constexpr auto awaited = eddy::detail::wait_kind::mutex;
    template <class, class>
    friend class basic_mutex_guard;
    template <class>
    friend class lock_future;
    template <class>
    friend class mutex;

    explicit basic_mutex_guard(held&& taken) noexcept : held(std::move(taken)) {}

public:
    /// Narrows the guard to a part of the value. `fn` is a pointer to a member, or a function that returns a reference
    /// into the value. This guard is empty afterwards. If `fn` throws, this guard keeps the lock. (A future has its own
    /// map(), so give the guard a name first.)
    ///     auto guard = co_await people.lock();
    ///     auto name = std::move(guard).map(&person::name);
    template <class Fn>
    [[nodiscard]] auto map(Fn&& fn) && {
        using narrow = decltype(this->narrow(std::forward<Fn>(fn)));
        return basic_mutex_guard<typename narrow::value_type, Owner>(this->narrow(std::forward<Fn>(fn)));
    }

    /// Same as map(), with a function that returns a pointer.
    /// Errors: returns this guard if the pointer is null.
    template <class Fn, class U = typename held::template found_by<Fn>>
    [[nodiscard]] std::expected<basic_mutex_guard<U, Owner>, basic_mutex_guard> try_map(Fn&& fn) && {
        U* const part = std::invoke(std::forward<Fn>(fn), **this);
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_mutex_guard<U, Owner>(this->hand_over(*part));
    }
};

/// The guard of a mutex<T>. It refers to the mutex, which must outlive it.
template <class T>
using mutex_guard = basic_mutex_guard<T, eddy::detail::permit_state*>;
/// The guard of lock_owned(). It shares ownership of the mutex.
template <class T>
using owned_mutex_guard = basic_mutex_guard<T, std::shared_ptr<eddy::detail::permit_state>>;

/// A value that one task or thread uses at a time, and that may stay locked across a `co_await`. Waiters are served in
/// the order in which they arrived. Does not need a runtime. If nothing is awaited while the value is locked,
/// std::mutex is sufficient.
///     sync::mutex<std::vector<int>> numbers;
///     ...
///     auto guard = co_await numbers.lock();
///     guard->push_back(1);
/// `mutex<>` is a lock without a value. An exception that destroys a guard only unlocks the mutex; the mutex is not
/// poisoned. Code that changes the value in several steps must keep it consistent itself. A task that locks the mutex
/// twice deadlocks.
/// Thread safety: all members may be called from any thread, except get_mut() and into_inner(), which need exclusive
/// access.
/// Lifetime: the mutex must outlive its futures and guards. The futures and guards of `lock_owned` share its ownership.
/// Destroying the mutex while it is locked, or while a task waits for it, terminates the program.
/// Cost: one read-modify-write to lock a free mutex, and one to unlock it if there are no waiters. Waiting does not
/// allocate.
template <class T = void>
class mutex {
    using state = eddy::detail::permit_state;
    using one = eddy::detail::one_permit;

public:
    /// The types of the value and of the guards.
    using value_type = eddy::detail::stored_t<T>;
    using guard = mutex_guard<value_type>;
    using owned_guard = owned_mutex_guard<value_type>;

    /// Constructs the value: by default, from `value`, or in place from `arguments`.
    mutex()
        requires std::default_initializable<value_type>
        : value_() {}
    explicit mutex(value_type value) : value_(std::move(value)) {}
    template <class... A>
        requires std::constructible_from<value_type, A...>
    explicit mutex(std::in_place_t, A&&... arguments) : value_(std::forward<A>(arguments)...) {}
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() {
        state_.check_all_free(1,
                              "a sync::mutex was destroyed while it is locked: keep it until its guards and lock() "
                              "futures are gone, or use lock_owned()");
    }

    /// Returns a future of the guard.
    /// Cancel safety: safe. Dropping the future gives up its place in the queue. If it has already received the lock,
    /// the lock passes to the next waiter.
    [[nodiscard]] lock_future<guard> lock() noexcept { return {value_, &state_, one()}; }

    /// Returns the guard if the mutex is free. Never waits.
    [[nodiscard]] std::optional<guard> try_lock() noexcept { return try_take<guard>(*this, &state_); }

    /// Same as lock() and try_lock(), but the guard and the future share ownership of the mutex, so they may outlive
    /// other references to it.
    /// Errors: throws `misuse` if `shared` is null.
    /// Cancel safety: same as lock().
    [[nodiscard]] static lock_future<owned_guard> lock_owned(
        const std::shared_ptr<mutex>& shared, std::source_location where = std::source_location::current()) {
        return {checked(shared, where).value_, share_of(shared), one()};
    }
    [[nodiscard]] static std::optional<owned_guard> try_lock_owned(
        const std::shared_ptr<mutex>& shared, std::source_location where = std::source_location::current()) {
        return try_take<owned_guard>(checked(shared, where), share_of(shared));
    }

    eddy::detail::broken_future lock_owned(std::same_as<void> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);
    eddy::detail::broken_future try_lock_owned(std::same_as<void> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);

    /// Blocks this thread until the mutex is locked; see `eddy::wait`.
    [[nodiscard]] guard blocking_lock(std::source_location where = std::source_location::current()) {
        return eddy::wait(lock(), where);
    }
    [[nodiscard]] static owned_guard blocking_lock_owned(const std::shared_ptr<mutex>& shared,
                                                         std::source_location where = std::source_location::current()) {
        return eddy::wait(lock_owned(shared, where), where);
    }

    /// Returns the value, or moves it out, without locking. The caller must have exclusive access.
    /// Errors: throws `misuse` if the mutex is locked.
    [[nodiscard]] value_type& get_mut(std::source_location where = std::source_location::current()) {
        if (state_.available() != 1)
            throw misuse(
                "get_mut() and into_inner() need exclusive access, and this mutex is locked: release its guards first",
                where);
        return value_;
    }
    [[nodiscard]] value_type into_inner(std::source_location where = std::source_location::current()) && {
        return std::move(get_mut(where));
    }

private:
    static mutex& checked(const std::shared_ptr<mutex>& shared, const std::source_location& where) {
        if (shared == nullptr)
            throw misuse("lock_owned() needs a mutex: make one with std::make_shared<mutex<T>>()", where);
        return *shared;
    }
    static std::shared_ptr<state> share_of(const std::shared_ptr<mutex>& shared) noexcept {
        return {shared, &shared->state_};
    }
    template <class Guard>
    static std::optional<Guard> try_take(mutex& from, typename Guard::owner_type owner) noexcept {
        if (owner->try_acquire(1) != eddy::detail::acquired::yes) return std::nullopt;
        return Guard(typename Guard::held(from.value_, std::move(owner), one()));
    }

    state state_{1};
    [[no_unique_address]] value_type value_;
};

}  // namespace eddy::sync
