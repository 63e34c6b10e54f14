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

#include <eddy/detail/held_lock.hpp>
#include <eddy/detail/semaphore_state.hpp>
#include <eddy/error.hpp>
#include <eddy/sync/lock_future.hpp>
#include <eddy/wait.hpp>

namespace eddy::sync {

/// An rwlock that is locked for reading, and the way to its value. The destructor unlocks, or unlock() before it, which
/// only wakes who is next. As with a mutex, a guard without a name unlocks at its semicolon. Thread safety: as a value;
/// it may end on another thread than the one that locked.
template <class T, class Home>
class [[nodiscard("it unlocks when it is destroyed")]] basic_read_guard
    : public eddy::detail::held_lock<T, Home, std::size_t> {
public:
    using held = eddy::detail::held_lock<T, Home, std::size_t>;
    static constexpr const char* operation = "an rwlock's read()";

    /// For the lock's own use.
    explicit basic_read_guard(held&& taken) noexcept : held(std::move(taken)) {}

    /// A guard of a part of the value: `fn` is a pointer to a member, or a function that returns a reference into it.
    /// This guard is empty then. If `fn` throws, it stays as it is.
    template <class Fn>
    [[nodiscard]] auto map(Fn&& fn) && {
        using narrow = decltype(this->narrow(std::forward<Fn>(fn)));
        return basic_read_guard<typename narrow::value_type, Home>(this->narrow(std::forward<Fn>(fn)));
    }

    /// The same with a function that returns a pointer; if that is null, this guard comes back as the error.
    template <class Fn, class U = typename held::template found_by<Fn>>
    [[nodiscard]] std::expected<basic_read_guard<U, Home>, basic_read_guard> try_map(Fn&& fn) && {
        U* const part = std::invoke(std::forward<Fn>(fn), **this);
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_read_guard<U, Home>(this->hand_over(*part));
    }
};

/// The same for writing.
template <class T, class Home>
class [[nodiscard("it unlocks when it is destroyed")]] basic_write_guard
    : public eddy::detail::held_lock<T, Home, std::size_t> {
public:
    using held = eddy::detail::held_lock<T, Home, std::size_t>;
    static constexpr const char* operation = "an rwlock's write()";

    /// For the lock's own use.
    explicit basic_write_guard(held&& taken) noexcept : held(std::move(taken)) {}

    /// Goes on as a reader, with nobody having written in between. Readers that are next are let in; a writer that
    /// waits before them is not overtaken. Preconditions: owns_lock().
    [[nodiscard]] basic_read_guard<const T, Home> downgrade() && noexcept {
        return basic_read_guard<const T, Home>(this->downgraded());
    }

    /// As basic_read_guard's.
    template <class Fn>
    [[nodiscard]] auto map(Fn&& fn) && {
        using narrow = decltype(this->narrow(std::forward<Fn>(fn)));
        return basic_write_guard<typename narrow::value_type, Home>(this->narrow(std::forward<Fn>(fn)));
    }
    template <class Fn, class U = typename held::template found_by<Fn>>
    [[nodiscard]] std::expected<basic_write_guard<U, Home>, basic_write_guard> try_map(Fn&& fn) && {
        U* const part = std::invoke(std::forward<Fn>(fn), **this);
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_write_guard<U, Home>(this->hand_over(*part));
    }
};

template <class T>
using rwlock_read_guard = basic_read_guard<const T, eddy::detail::permit_state*>;
template <class T>
using rwlock_write_guard = basic_write_guard<T, eddy::detail::permit_state*>;
/// These hold a share of the lock.
template <class T>
using owned_rwlock_read_guard = basic_read_guard<const T, std::shared_ptr<eddy::detail::permit_state>>;
template <class T>
using owned_rwlock_write_guard = basic_write_guard<T, std::shared_ptr<eddy::detail::permit_state>>;

/// A value that many may read at the same time, or one may write. First come, first served: a reader that comes after a
/// waiting writer waits behind it, so writers do not starve. It needs no runtime.
/// As a mutex it is not poisoned by exceptions. Who holds a read guard and asks for another waits for ever if a writer
/// came in between: one guard for a task. Thread safety: any thread. `get_mut` and `into_inner`: nobody else may use
/// it. Lifetime: it must outlive its futures and guards; the owned ones hold a share of it. Cost: one read-modify-write
/// to lock it where it is free, and one to unlock it where nobody waits. Waiting takes no allocation.
template <class T>
class rwlock {
    using state = eddy::detail::permit_state;
    using shared = std::shared_ptr<rwlock>;
    using source_location = std::source_location;

public:
    using value_type = T;
    using read_guard = rwlock_read_guard<T>;
    using write_guard = rwlock_write_guard<T>;
    using owned_read_guard = owned_rwlock_read_guard<T>;
    using owned_write_guard = owned_rwlock_write_guard<T>;

    /// How many may read at the same time, unless another number is given.
    static constexpr std::uint32_t default_max_readers = std::numeric_limits<std::uint32_t>::max() >> 3;

    rwlock()
        requires std::default_initializable<T>
        : state_(default_max_readers), max_readers_(default_max_readers), value_() {}
    /// Errors: throws `misuse` if `max_readers` is 0.
    explicit rwlock(T value, std::uint32_t max_readers = default_max_readers,
                    source_location where = source_location::current())
        : state_(checked(max_readers, where)), max_readers_(max_readers), value_(std::move(value)) {}
    template <class... A>
        requires std::constructible_from<T, A...>
    explicit rwlock(std::in_place_t, A&&... arguments)
        : state_(default_max_readers), max_readers_(default_max_readers), value_(std::forward<A>(arguments)...) {}
    rwlock(const rwlock&) = delete;
    rwlock& operator=(const rwlock&) = delete;
    ~rwlock() = default;

    /// A future of the guard.
    /// Cancel safety: safe. Who drops it loses its place in the line; a lock that it was given already goes to the
    /// next.
    [[nodiscard]] lock_future<read_guard> read() noexcept { return {value_, &state_, 1}; }
    [[nodiscard]] lock_future<write_guard> write() noexcept { return {value_, &state_, max_readers_}; }

    /// The guard, if it is to be had at once and nobody waits. Never waits.
    [[nodiscard]] std::optional<read_guard> try_read() noexcept { return try_take<read_guard>(*this, &state_, 1); }
    [[nodiscard]] std::optional<write_guard> try_write() noexcept {
        return try_take<write_guard>(*this, &state_, max_readers_);
    }

    /// The same, for guards that go where the lock may not be seen: they, and the futures, hold a share of it.
    /// Errors: they throw `misuse` for a null pointer.
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

    /// They wait on this thread, which sleeps meanwhile: see `eddy::wait`.
    [[nodiscard]] read_guard blocking_read(source_location where = source_location::current()) {
        return eddy::wait(read(), where);
    }
    [[nodiscard]] write_guard blocking_write(source_location where = source_location::current()) {
        return eddy::wait(write(), where);
    }

    /// The value, without locking.
    /// Errors: throws `misuse` if it is locked.
    [[nodiscard]] T& get_mut(source_location where = source_location::current()) {
        if (state_.available() != max_readers_)
            throw misuse("get_mut() and into_inner() are for an rwlock that nobody else uses: this one is locked",
                         where);
        return value_;
    }
    [[nodiscard]] T into_inner(source_location where = source_location::current()) && {
        return std::move(get_mut(where));
    }

    [[nodiscard]] std::uint32_t max_readers() const noexcept { return max_readers_; }

private:
    static std::uint32_t checked(std::uint32_t max_readers, const source_location& where) {
        if (max_readers == 0)
            throw misuse("an rwlock needs to let in one reader at least: give it a limit above 0", where);
        return max_readers;
    }
    static rwlock& checked(const shared& lock, const source_location& where) {
        if (lock == nullptr)
            throw misuse("an owned guard needs a lock: make one with std::make_shared<rwlock<T>>()", where);
        return *lock;
    }
    static std::shared_ptr<state> share_of(const shared& lock) noexcept { return {lock, &lock->state_}; }
    template <class Guard>
    static std::optional<Guard> try_take(rwlock& from, typename Guard::home_type home, std::size_t count) noexcept {
        if (home->try_acquire(count) != eddy::detail::acquired::yes) return std::nullopt;
        return Guard(typename Guard::held(from.value_, std::move(home), count));
    }

    state state_;
    std::uint32_t max_readers_;
    T value_;
};

}  // namespace eddy::sync
