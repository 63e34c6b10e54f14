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

#include <eddy/detail/acquisition.hpp>
#include <eddy/detail/held_lock.hpp>
#include <eddy/detail/semaphore_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/sync/lock_future.hpp>
#include <eddy/wait.hpp>

namespace eddy::sync {

/// A locked mutex, and the way to its value (`*guard`, `guard->...`). The destructor unlocks, or unlock() before it,
/// which only wakes the next. A guard without a name unlocks at its semicolon: `int& x = *co_await m.lock();` refers to
/// what is not locked. One that was moved from or unlocked is empty (owns_lock()), and has no value. Thread safety: as
/// a value; it may end on another thread than the one that locked.
template <class T, class Home>
class [[nodiscard("it unlocks when it is destroyed")]] basic_mutex_guard
    : public eddy::detail::held_lock<T, Home, eddy::detail::one_permit> {
public:
    using held = eddy::detail::held_lock<T, Home, eddy::detail::one_permit>;
    static constexpr const char* operation = "a mutex's lock()";

    /// For the mutex's own use.
    explicit basic_mutex_guard(held&& taken) noexcept : held(std::move(taken)) {}

    /// A guard of a part of the value: `fn` is a pointer to a member, or a function that returns a reference into it.
    /// This guard is empty then. If `fn` throws, it stays as it is. (A future has a map() of its own, so name the guard
    /// first.)
    ///     auto guard = co_await people.lock();
    ///     auto name = std::move(guard).map(&person::name);
    template <class Fn>
    [[nodiscard]] auto map(Fn&& fn) && {
        using narrow = decltype(this->narrow(std::forward<Fn>(fn)));
        return basic_mutex_guard<typename narrow::value_type, Home>(this->narrow(std::forward<Fn>(fn)));
    }

    /// The same with a function that returns a pointer; if that is null, this guard comes back as the error.
    template <class Fn, class U = typename held::template found_by<Fn>>
    [[nodiscard]] std::expected<basic_mutex_guard<U, Home>, basic_mutex_guard> try_map(Fn&& fn) && {
        U* const part = std::invoke(std::forward<Fn>(fn), **this);
        if (part == nullptr) return std::unexpected(std::move(*this));
        return basic_mutex_guard<U, Home>(this->hand_over(*part));
    }
};

template <class T>
using mutex_guard = basic_mutex_guard<T, eddy::detail::permit_state*>;
/// Holds a share of the mutex.
template <class T>
using owned_mutex_guard = basic_mutex_guard<T, std::shared_ptr<eddy::detail::permit_state>>;

/// A value that one task or thread uses at a time, and may keep locked across a `co_await`. First come, first served.
/// It needs no runtime. Where nothing is awaited while it is locked, a std::mutex does as well.
///     sync::mutex<std::vector<int>> numbers;
///     ...
///     auto guard = co_await numbers.lock();
///     guard->push_back(1);
/// `mutex<>` locks without a value. An exception that passes a guard unlocks, and that is all: the mutex is not
/// poisoned, so who changes the value in several steps has to leave it whole. A task that locks it twice waits for
/// itself, for ever. Thread safety: any thread. `get_mut` and `into_inner`: nobody else may use it. Lifetime: it must
/// outlive its futures and guards; those of `lock_owned` hold a share of it. Cost: one read-modify-write to lock it
/// where it is free, and one to unlock it where nobody waits. Waiting takes no allocation.
template <class T = void>
class mutex {
    using state = eddy::detail::permit_state;
    using one = eddy::detail::one_permit;

public:
    using value_type = eddy::detail::stored_t<T>;
    using guard = mutex_guard<value_type>;
    using owned_guard = owned_mutex_guard<value_type>;

    mutex()
        requires std::default_initializable<value_type>
        : value_() {}
    explicit mutex(value_type value) : value_(std::move(value)) {}
    template <class... A>
        requires std::constructible_from<value_type, A...>
    explicit mutex(std::in_place_t, A&&... arguments) : value_(std::forward<A>(arguments)...) {}
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() = default;

    /// A future of the guard.
    /// Cancel safety: safe. Who drops it loses its place in the line; a lock that it was given already goes to the
    /// next.
    [[nodiscard]] lock_future<guard> lock() noexcept { return {value_, &state_, one()}; }

    /// The guard, if the mutex is free. Never waits.
    [[nodiscard]] std::optional<guard> try_lock() noexcept { return try_take<guard>(*this, &state_); }

    /// As lock() and try_lock(), for guards that go where the mutex may not be seen: they, and the future, hold a share
    /// of it. Errors: throws `misuse` for a null pointer.
    [[nodiscard]] static lock_future<owned_guard> lock_owned(
        const std::shared_ptr<mutex>& shared, std::source_location where = std::source_location::current()) {
        return {checked(shared, where).value_, share_of(shared), one()};
    }
    [[nodiscard]] static std::optional<owned_guard> try_lock_owned(
        const std::shared_ptr<mutex>& shared, std::source_location where = std::source_location::current()) {
        return try_take<owned_guard>(checked(shared, where), share_of(shared));
    }

    /// Waits on this thread, which sleeps meanwhile: see `eddy::wait`.
    [[nodiscard]] guard blocking_lock(std::source_location where = std::source_location::current()) {
        return eddy::wait(lock(), where);
    }
    [[nodiscard]] static owned_guard blocking_lock_owned(const std::shared_ptr<mutex>& shared,
                                                         std::source_location where = std::source_location::current()) {
        return eddy::wait(lock_owned(shared, where), where);
    }

    /// The value, without locking.
    /// Errors: throws `misuse` if it is locked.
    [[nodiscard]] value_type& get_mut(std::source_location where = std::source_location::current()) {
        if (state_.available() != 1)
            throw misuse("get_mut() and into_inner() are for a mutex that nobody else uses: this one is locked", where);
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
    static std::optional<Guard> try_take(mutex& from, typename Guard::home_type home) noexcept {
        if (home->try_acquire(1) != eddy::detail::acquired::yes) return std::nullopt;
        return Guard(typename Guard::held(from.value_, std::move(home), one()));
    }

    state state_{1};
    [[no_unique_address]] value_type value_;
};

}  // namespace eddy::sync
