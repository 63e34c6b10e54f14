// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/detail/acquisition.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>

namespace eddy::detail {

/// The state of sync::semaphore: permits, and their number, so that the destructor can tell whether any are in use.
class counted_permits : public permit_state {
public:
    explicit counted_permits(std::size_t permits) noexcept : permit_state(permits), total_(permits) {}

    // relaxed, in all functions: only the destructor uses the number, and the destroying thread already synchronizes
    // with the other users.

    /// Adds `count` permits. Returns false, without a change, if there would be more than max_permits.
    bool add(std::size_t count) noexcept {
        // Counted first, because a task that takes the permits may destroy this object.
        total_.fetch_add(count, std::memory_order_relaxed);
        if (release(count)) return true;
        total_.fetch_sub(count, std::memory_order_relaxed);
        return false;
    }
    /// Removes up to `count` free permits. Returns their number.
    std::size_t remove(std::size_t count) noexcept {
        const std::size_t removed = forget(count);
        total_.fetch_sub(removed, std::memory_order_relaxed);
        return removed;
    }
    /// Removes `count` permits that the caller has taken.
    void remove_taken(std::size_t count) noexcept { total_.fetch_sub(count, std::memory_order_relaxed); }
    /// Returns the number of permits, free or taken.
    [[nodiscard]] std::size_t total() const noexcept { return total_.load(std::memory_order_relaxed); }

private:
    atomic<std::size_t> total_;
};

}  // namespace eddy::detail

namespace eddy::sync {

/// The error of `acquire`: the semaphore is closed. `try_` converts it to `errc::semaphore_closed`.
/// Thread safety: a value type; concurrent reads are safe.
class acquire_error {
public:
    /// Constructs the error.
    acquire_error() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate, for GCC 12

    /// Returns errc::semaphore_closed.
    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::semaphore_closed; }

    friend bool operator==(acquire_error, acquire_error) noexcept { return true; }
};

/// The reason why `try_acquire` got no permit.
enum class try_acquire_error {
    no_permits,  ///< there are too few permits, or other requests have waited for them longer
    closed,      ///< the semaphore is closed
};

/// Permits that were taken from a semaphore. The destructor returns them and wakes waiting tasks; release() does so
/// earlier. `Owner` refers to the semaphore: a pointer, or a std::shared_ptr for an owned permit.
/// Thread safety: one thread at a time. It may be destroyed on a different thread than the one that acquired it.
template <class Owner>
class [[nodiscard("it is given back when it is destroyed")]] basic_permit {
public:
    basic_permit(basic_permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    basic_permit& operator=(basic_permit&& other) noexcept {
        basic_permit taken(std::move(other));
        std::swap(owner_, taken.owner_);
        std::swap(count_, taken.count_);
        return *this;
    }
    ~basic_permit() { release(); }

    /// Returns the number of permits.
    [[nodiscard]] std::size_t num_permits() const noexcept { return count_; }

    /// Moves `count` of the permits to a new object. Returns nullopt, and changes nothing, if there are fewer than
    /// `count`.
    [[nodiscard]] std::optional<basic_permit> split(std::size_t count) {
        if (count > count_) return std::nullopt;
        std::optional<basic_permit> taken(basic_permit(owner_, count));
        count_ -= count;
        return taken;
    }

    /// Adds the permits of `other` to this object.
    /// Errors: throws `misuse` if they belong to a different semaphore.
    void merge(basic_permit other, std::source_location where = std::source_location::current()) {
        if (state() != other.state())
            throw misuse("only permits of the same semaphore can be merged: keep these two separate", where);
        count_ += std::exchange(other.count_, 0);
    }

    /// Returns the permits to the semaphore. A second call does nothing.
    void release() noexcept {
        if (const std::size_t count = std::exchange(count_, 0); count != 0 && !owner_->release(count))
            eddy::detail::fatal_misuse("a semaphore got more permits back than it can hold: add fewer to it");
    }

    /// Discards the permits without returning them. The semaphore has fewer permits from then on.
    void forget() noexcept {
        if (const std::size_t count = std::exchange(count_, 0); count != 0) owner_->remove_taken(count);
    }

private:
    friend class semaphore;
    basic_permit(Owner owner, std::size_t count) noexcept : owner_(std::move(owner)), count_(count) {}

    [[nodiscard]] const eddy::detail::counted_permits* state() const noexcept { return std::to_address(owner_); }

    Owner owner_;
    std::size_t count_;
};

/// A number of permits that tasks and threads take and return. It limits how many tasks do something at the same time,
/// or how much memory they use for it. Waiters are served in the order in which they arrived. No request is overtaken,
/// so a large request at the front of the queue delays smaller ones until it is served. Does not need a runtime.
///     sync::semaphore connections(100);
///     ...
///     auto permit = co_await eddy::try_(connections.acquire());   // returned at the end of its scope
/// Thread safety: all members may be called from any thread; only the destructor needs exclusive access.
/// Lifetime: the semaphore must outlive its futures, permits and calls. The futures and permits of acquire_owned()
/// share its ownership. Destroying it while a task waits, or while permits are in use, terminates the program.
/// Forgotten permits are not in use.
/// Cost: one read-modify-write to take an available permit, and one to return a permit if there are no waiters. Waiting
/// does not allocate.
class EDDY_API semaphore {
    using state = eddy::detail::counted_permits;

public:
    /// A permit that borrows the semaphore, and a permit that shares its ownership.
    using permit = basic_permit<state*>;
    using owned_permit = basic_permit<std::shared_ptr<state>>;

    /// The futures of acquire() and acquire_owned().
    template <class Owner>
    class basic_acquire_future;
    using acquire_future = basic_acquire_future<state*>;
    using acquire_owned_future = basic_acquire_future<std::shared_ptr<state>>;

    /// The largest number of permits of a semaphore.
    static constexpr std::size_t max_permits = state::max_permits;

    /// Creates a semaphore with `permits` permits.
    /// Errors: throws `misuse` if `permits` is greater than `max_permits`.
    explicit semaphore(std::size_t permits, std::source_location where = std::source_location::current())
        : state_(checked(permits, where)) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() {
        state_.check_all_free(state_.total(),
                              "a sync::semaphore was destroyed while permits are in use: keep it until its permits and "
                              "acquire() futures are gone, or use acquire_owned()");
    }

    /// Returns a future that takes `count` permits together, as one object.
    /// Errors: acquire_error if the semaphore is closed. Throws `misuse` if `count` is greater than `max_permits`.
    /// Cancel safety: safe. Dropping the future gives up its place in the queue. Permits that it has already received
    /// pass to the next waiter.
    [[nodiscard]] acquire_future acquire(std::size_t count = 1,
                                         std::source_location where = std::source_location::current());

    /// Takes `count` permits if they are available and there are no waiters. Never waits.
    /// Errors: the reason if they are not available. Throws `misuse` if `count` is greater than `max_permits`.
    [[nodiscard]] std::expected<permit, try_acquire_error> try_acquire(
        std::size_t count = 1, std::source_location where = std::source_location::current()) {
        return try_take(&state_, checked(count, where));
    }

    /// Same as acquire() and try_acquire(), but the permit and the future share ownership of the semaphore, so they may
    /// outlive other references to it.
    /// Errors: also throw `misuse` if `from` is null.
    /// Cancel safety: same as acquire().
    [[nodiscard]] static acquire_owned_future acquire_owned(
        const std::shared_ptr<semaphore>& from, std::size_t count = 1,
        std::source_location where = std::source_location::current());
    [[nodiscard]] static std::expected<owned_permit, try_acquire_error> try_acquire_owned(
        const std::shared_ptr<semaphore>& from, std::size_t count = 1,
        std::source_location where = std::source_location::current());

    eddy::detail::broken_future acquire_owned(std::convertible_to<std::size_t> auto...) EDDY_DELETED(EDDY_TAKES_SHARED);
    eddy::detail::broken_future try_acquire_owned(std::convertible_to<std::size_t> auto...)
        EDDY_DELETED(EDDY_TAKES_SHARED);

    /// Blocks this thread until `count` permits are taken; see `eddy::wait`.
    /// Errors: same as acquire().
    [[nodiscard]] std::expected<permit, acquire_error> blocking_acquire(
        std::size_t count = 1, std::source_location where = std::source_location::current());

    /// Adds `count` permits and serves waiting requests with them.
    /// Errors: throws `misuse`, and adds none, if there would be more than `max_permits`.
    void add_permits(std::size_t count, std::source_location where = std::source_location::current()) {
        if (!state_.add(count))
            throw misuse("a semaphore cannot hold more than semaphore::max_permits: add fewer", where);
    }

    /// Removes up to `count` free permits permanently. Returns how many were removed.
    std::size_t forget_permits(std::size_t count) noexcept { return state_.remove(count); }

    /// Closes the semaphore permanently. Waiting and later requests fail with `acquire_error`. Permits that were taken
    /// stay valid.
    void close() noexcept { state_.close(); }
    /// Returns true if the semaphore is closed.
    [[nodiscard]] bool is_closed() const noexcept { return state_.is_closed(); }

    /// Returns the number of free permits, including those that are reserved for a waiting request that needs more.
    /// Other threads may change the number at any time.
    [[nodiscard]] std::size_t available_permits() const noexcept { return state_.available(); }

private:
    static std::size_t checked(std::size_t count, const std::source_location& where) {
        if (count > max_permits)
            throw misuse("a semaphore has at most semaphore::max_permits: request no more than that", where);
        return count;
    }
    static std::shared_ptr<state> share_of(const std::shared_ptr<semaphore>& from, const std::source_location& where);
    template <class Owner>
    static std::expected<basic_permit<Owner>, try_acquire_error> try_take(Owner owner, std::size_t count) {
        switch (owner->try_acquire(count)) {
        case eddy::detail::acquired::yes: return basic_permit<Owner>(std::move(owner), count);
        case eddy::detail::acquired::closed: return std::unexpected(try_acquire_error::closed);
        case eddy::detail::acquired::not_yet: break;
        }
        return std::unexpected(try_acquire_error::no_permits);
    }

    state state_;
};

/// The future that semaphore::acquire() and acquire_owned() return. Moving it while it waits terminates the program.
/// Cancel safety: safe. Dropping it gives up its place in the queue. Permits that it has already received pass to the
/// next waiter.
template <class Owner>
class [[nodiscard("co_await it")]] semaphore::basic_acquire_future : public future_ops<basic_acquire_future<Owner>> {
public:
    using output_type = std::expected<basic_permit<Owner>, acquire_error>;

    basic_acquire_future(basic_acquire_future&&) noexcept = default;
    basic_acquire_future& operator=(basic_acquire_future&&) = delete;
    ~basic_acquire_future() = default;

    poll_result<output_type> poll(context& cx) {
        switch (wait_.poll(cx, "a semaphore's acquire()")) {
        case eddy::detail::acquired::yes: return output_type(basic_permit<Owner>(std::move(owner_), wait_.count()));
        case eddy::detail::acquired::closed: return output_type(std::unexpect);
        case eddy::detail::acquired::not_yet: break;
        }
        return not_ready;
    }

    static constexpr auto wait_shape() {
        return inspect::awaits(inspect::wait::semaphore, &basic_acquire_future::wait_);
    }

    friend const void* acquired_from(const basic_acquire_future& me) noexcept { return me.wait_.state(); }

private:
    friend semaphore;
    basic_acquire_future(Owner owner, std::size_t count) noexcept
        : owner_(std::move(owner)), wait_(std::to_address(owner_), count) {}

    Owner owner_;  // destroyed last: it may own the state that wait_ uses
    eddy::detail::acquisition<eddy::detail::permit_state> wait_;
};

inline semaphore::acquire_future semaphore::acquire(std::size_t count, std::source_location where) {
    return {&state_, checked(count, where)};
}

inline semaphore::acquire_owned_future semaphore::acquire_owned(const std::shared_ptr<semaphore>& from,
                                                                std::size_t count, std::source_location where) {
    return {share_of(from, where), checked(count, where)};
}

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::sync

namespace eddy::detail {

template <>
struct explains_access<eddy::sync::acquire_error> : std::true_type {};

}  // namespace eddy::detail
