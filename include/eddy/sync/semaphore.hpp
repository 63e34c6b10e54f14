// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/detail/acquisition.hpp>
#include <eddy/detail/semaphore_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/wait.hpp>

namespace eddy::sync {

/// Why `acquire` gave no permit: the semaphore is closed. `try_` makes `errc::semaphore_closed` of it.
class acquire_error {
public:
    acquire_error() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::semaphore_closed; }

    friend bool operator==(acquire_error, acquire_error) noexcept { return true; }
};

/// Why `try_acquire` gave no permit.
enum class try_acquire_error {
    no_permits,  ///< there are too few, or others have waited for them longer
    closed,
};

/// Permits that were taken from a semaphore. The destructor gives them back, and wakes who waits for them. release()
/// does so before the scope ends. `Home` is what leads back there: a pointer, or a share of the semaphore. Thread
/// safety: as a value; it may end on another thread than the one that acquired it.
template <class Home>
class [[nodiscard("it is given back when it is destroyed")]] basic_permit {
public:
    basic_permit(basic_permit&& other) noexcept
        : home_(std::exchange(other.home_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    basic_permit& operator=(basic_permit&& other) noexcept {
        basic_permit taken(std::move(other));
        std::swap(home_, taken.home_);
        std::swap(count_, taken.count_);
        return *this;
    }
    ~basic_permit() { release(); }

    [[nodiscard]] std::size_t num_permits() const noexcept { return count_; }

    /// Takes `count` of them out into a permit of its own. Nothing, and this is unchanged, if it has fewer.
    [[nodiscard]] std::optional<basic_permit> split(std::size_t count) {
        if (count > count_) return std::nullopt;
        std::optional<basic_permit> taken(basic_permit(home_, count));
        count_ -= count;
        return taken;
    }

    /// Takes those of `other` in.
    /// Errors: throws `misuse` if they are another semaphore's.
    void merge(basic_permit other, std::source_location where = std::source_location::current()) {
        if (state() != other.state())
            throw misuse("a permit can be merged with one of the same semaphore only: keep the two apart", where);
        count_ += std::exchange(other.count_, 0);
    }

    /// Gives them back before its scope ends; a second time it does nothing.
    void release() noexcept {
        if (const std::size_t count = std::exchange(count_, 0); count != 0 && !home_->release(count))
            eddy::detail::fatal_misuse("a semaphore got more permits back than it can hold: add fewer to it");
    }

    /// Gives them up without giving them back: the semaphore has so many fewer from now on.
    void forget() noexcept { count_ = 0; }

private:
    friend class semaphore;
    basic_permit(Home home, std::size_t count) noexcept : home_(std::move(home)), count_(count) {}

    [[nodiscard]] const eddy::detail::permit_state* state() const noexcept { return std::to_address(home_); }

    Home home_;
    std::size_t count_;
};

/// A number of permits, which tasks and threads take and give back: a limit for how many do something at the same time,
/// or for how much memory they use for it. First come, first served: nobody is overtaken, so that a large request at
/// the front holds up small ones behind it until there is enough for it. It needs no runtime.
///     sync::semaphore connections(100);
///     ...
///     auto permit = co_await eddy::try_(connections.acquire());   // given back at the end of its scope
/// Thread safety: any thread.
/// Lifetime: it must outlive its futures and permits, and each call; the owned ones (`acquire_owned`) hold a share of
/// it. Cost: to take a permit that is there, and to give one back for which nobody waits, one read-modify-write.
/// Waiting takes no allocation.
class semaphore {
    using state = eddy::detail::permit_state;

public:
    using permit = basic_permit<state*>;
    using owned_permit = basic_permit<std::shared_ptr<state>>;

    template <class Home>
    class basic_acquire_future;
    using acquire_future = basic_acquire_future<state*>;
    using acquire_owned_future = basic_acquire_future<std::shared_ptr<state>>;

    static constexpr std::size_t max_permits = state::max_permits;

    /// Errors: throws `misuse` for more than `max_permits`.
    explicit semaphore(std::size_t permits, std::source_location where = std::source_location::current())
        : state_(checked(permits, where)) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() = default;

    /// A future of `count` permits at once, in one permit; of `acquire_error` if the semaphore is closed before.
    /// Cancel safety: safe. Who drops it loses its place; permits that it was given already go to the next.
    /// Errors: throws `misuse` for more than `max_permits`.
    [[nodiscard]] acquire_future acquire(std::size_t count = 1,
                                         std::source_location where = std::source_location::current());

    /// `count` permits if they are there, and nobody waits for any. Never waits.
    [[nodiscard]] std::expected<permit, try_acquire_error> try_acquire(
        std::size_t count = 1, std::source_location where = std::source_location::current()) {
        return try_take(&state_, checked(count, where));
    }

    /// As acquire(), for permits that go where the semaphore may not be seen: they and the future hold a share of it.
    /// Errors: throws `misuse` for a null pointer.
    [[nodiscard]] static acquire_owned_future acquire_owned(
        const std::shared_ptr<semaphore>& from, std::size_t count = 1,
        std::source_location where = std::source_location::current());
    [[nodiscard]] static std::expected<owned_permit, try_acquire_error> try_acquire_owned(
        const std::shared_ptr<semaphore>& from, std::size_t count = 1,
        std::source_location where = std::source_location::current()) {
        return try_take(share_of(from, where), checked(count, where));
    }

    /// Waits on this thread, which sleeps meanwhile: see `eddy::wait`.
    [[nodiscard]] std::expected<permit, acquire_error> blocking_acquire(
        std::size_t count = 1, std::source_location where = std::source_location::current());

    /// As many permits more, for those who wait first.
    /// Errors: throws `misuse` if there would be more than `max_permits`, and adds none.
    void add_permits(std::size_t count, std::source_location where = std::source_location::current()) {
        if (!state_.release(count))
            throw misuse("a semaphore cannot hold more than semaphore::max_permits: add fewer", where);
    }

    /// Takes up to `count` of the free ones out for good. How many it were.
    std::size_t forget_permits(std::size_t count) noexcept { return state_.forget(count); }

    /// From now on nobody gets a permit, and those who wait get `acquire_error`. Permits that are out stay valid. There
    /// is no way back.
    void close() noexcept { state_.close(); }
    [[nodiscard]] bool is_closed() const noexcept { return state_.is_closed(); }

    /// How many are free. Others may take or give some back at any time; those that are kept for a request that has to
    /// wait for more count.
    [[nodiscard]] std::size_t available_permits() const noexcept { return state_.available(); }

private:
    static std::size_t checked(std::size_t count, const std::source_location& where) {
        if (count > max_permits)
            throw misuse("a semaphore has semaphore::max_permits at most: ask for no more than that", where);
        return count;
    }
    static std::shared_ptr<state> share_of(const std::shared_ptr<semaphore>& from, const std::source_location& where) {
        if (from == nullptr)
            throw misuse("acquire_owned() needs a semaphore: make one with std::make_shared<semaphore>(n)", where);
        return {from, &from->state_};
    }
    template <class Home>
    static std::expected<basic_permit<Home>, try_acquire_error> try_take(Home home, std::size_t count) {
        switch (home->try_acquire(count)) {
        case eddy::detail::acquired::yes: return basic_permit<Home>(std::move(home), count);
        case eddy::detail::acquired::closed: return std::unexpected(try_acquire_error::closed);
        case eddy::detail::acquired::not_yet: break;
        }
        return std::unexpected(try_acquire_error::no_permits);
    }

    state state_;
};

/// What `acquire` and `acquire_owned` return.
/// Cancel safety: safe. Who drops it loses its place; permits that it was given already go to the next.
template <class Home>
class [[nodiscard("co_await it")]] semaphore::basic_acquire_future : public future_ops<basic_acquire_future<Home>> {
public:
    using output_type = std::expected<basic_permit<Home>, acquire_error>;

    basic_acquire_future(basic_acquire_future&&) noexcept = default;
    basic_acquire_future& operator=(basic_acquire_future&&) = delete;
    ~basic_acquire_future() = default;

    poll_result<output_type> poll(context& cx) {
        switch (wait_.poll(cx, "a semaphore's acquire()")) {
        case eddy::detail::acquired::yes: return output_type(basic_permit<Home>(std::move(home_), wait_.count()));
        case eddy::detail::acquired::closed: return output_type(std::unexpect);
        case eddy::detail::acquired::not_yet: break;
        }
        return not_ready;
    }

private:
    friend semaphore;
    basic_acquire_future(Home home, std::size_t count) noexcept
        : home_(std::move(home)), wait_(std::to_address(home_), count) {}

    Home home_;  // goes last: it may hold what is waited for
    eddy::detail::acquisition<state> wait_;
};

inline semaphore::acquire_future semaphore::acquire(std::size_t count, std::source_location where) {
    return {&state_, checked(count, where)};
}

inline semaphore::acquire_owned_future semaphore::acquire_owned(const std::shared_ptr<semaphore>& from,
                                                                std::size_t count, std::source_location where) {
    return {share_of(from, where), checked(count, where)};
}

inline std::expected<semaphore::permit, acquire_error> semaphore::blocking_acquire(std::size_t count,
                                                                                   std::source_location where) {
    return eddy::wait(acquire(count, where), where);
}

}  // namespace eddy::sync
