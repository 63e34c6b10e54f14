// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::proto {

/// The options of a pool: `pool_options().max(20).idle_timeout(30s)`.
class pool_options {
public:
    /// The default options.
    pool_options() noexcept = default;

    /// Sets how many connections may be in use at the same time. Further tasks wait. 16 by default. 0 is treated as 1.
    pool_options& max(std::size_t most) noexcept {
        most_ = most == 0 ? 1 : most;
        return *this;
    }
    /// Sets how many unused connections are kept. 16 by default.
    pool_options& max_idle(std::size_t most) noexcept {
        most_idle_ = most;
        return *this;
    }
    /// Sets how long an unused connection is kept. 60 seconds by default. Connections that are too old are closed by
    /// the next get().
    template <class Rep, class Period>
    pool_options& idle_timeout(std::chrono::duration<Rep, Period> limit) noexcept {
        idle_ = time::round_up(limit);
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t max() const noexcept { return most_; }
    [[nodiscard]] std::size_t max_idle() const noexcept { return most_idle_; }
    [[nodiscard]] time::duration idle_timeout() const noexcept { return idle_; }

private:
    std::size_t most_ = 16;
    std::size_t most_idle_ = 16;
    time::duration idle_ = std::chrono::seconds(60);
};

}  // namespace eddy::proto

namespace eddy::detail {

/// The unused connections of a pool.
/// Thread safety: any thread.
template <class Connection>
class idle_pool {
public:
    explicit idle_pool(const proto::pool_options& options) : permits(options.max()), options_(options) {}

    /// Returns the connection that was used last. Closes those that are too old.
    std::optional<Connection> take() {
        std::vector<entry> old;  // closed without the lock
        const std::lock_guard guard(lock_);
        const auto now = time::clock::now();
        std::size_t count = 0;
        while (count < idle_.size() && time::saturating_add(idle_[count].since, options_.idle_timeout()) <= now)
            ++count;
        const auto end = idle_.begin() + static_cast<std::ptrdiff_t>(count);
        old.assign(std::make_move_iterator(idle_.begin()), std::make_move_iterator(end));
        idle_.erase(idle_.begin(), end);
        if (idle_.empty()) return std::nullopt;
        std::optional<Connection> newest(std::move(idle_.back().connection));
        idle_.pop_back();
        return newest;
    }
    /// Keeps `connection` if fewer than max_idle() are kept, and if there is memory for it. Otherwise leaves it to the
    /// caller, which closes it.
    void give_back(Connection&& connection) {
        const auto now = time::clock::now();
        const std::lock_guard guard(lock_);
        if (idle_.size() >= options_.max_idle()) return;
        try {
            idle_.emplace_back(std::move(connection), now);
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the caller closes the connection
        }
    }
    [[nodiscard]] std::size_t size() {
        const std::lock_guard guard(lock_);
        return idle_.size();
    }

    sync::semaphore permits;  // one for each connection in use

private:
    struct entry {
        entry(Connection&& one, time::time_point from) : connection(std::move(one)), since(from) {}
        Connection connection;
        time::time_point since;
    };

    const proto::pool_options options_;
    mutex lock_;
    std::vector<entry> idle_;  // guarded by lock_; in the order in which they became unused
};

}  // namespace eddy::detail

namespace eddy::proto {

/// A connection of a pool, in use. Call give_back() when the answer to the last request was received completely.
/// Without it, the destructor closes the connection. After an operation that failed or was dropped, the next user of
/// the connection could otherwise receive the rest of an old answer.
template <class Connection>
class [[nodiscard("it is closed when it is destroyed")]] leased {
public:
    leased(leased&& other) noexcept
        : pool_(std::move(other.pool_)),
          permit_(std::move(other.permit_)),
          connection_(std::exchange(other.connection_, std::nullopt)) {}
    leased& operator=(leased&&) = delete;
    ~leased() = default;

    /// Accesses the connection.
    /// Preconditions: give_back() was not called.
    [[nodiscard]] Connection& operator*() noexcept { return *connection_; }
    [[nodiscard]] Connection* operator->() noexcept { return &*connection_; }

    /// Returns the connection to the pool. A second call does nothing. Afterwards there is no connection to access.
    void give_back() {
        if (!connection_) return;
        pool_->give_back(*std::move(connection_));
        connection_.reset();
        permit_.release();
    }

    leased(std::shared_ptr<detail::idle_pool<Connection>> from, sync::semaphore::owned_permit permit,
           Connection&& connection)
        : pool_(std::move(from)), permit_(std::move(permit)), connection_(std::move(connection)) {}

private:
    std::shared_ptr<detail::idle_pool<Connection>> pool_;
    sync::semaphore::owned_permit permit_;  // released after the connection was closed
    std::optional<Connection> connection_;
};

/// A pool of connections, each of which one task uses at a time. get() calls `make` if there is no unused connection.
/// `make` takes no arguments and returns a future of a result<Connection>.
///
///     proto::pool pool([address] { return net::tcp_stream::connect(address); }, proto::pool_options().max(20));
///     auto connection = co_await try_(pool.get());
///     auto answer = co_await try_(talk(*connection));
///     connection.give_back();
///
/// Copies share the connections. If the peer closes a connection while it is unused, the next user sees the error. To
/// share one connection among many tasks, use a pipelined_client.
/// Thread safety: any thread, if `make` may be called on any thread.
/// Lifetime: the futures of get() and the leased connections may outlive the pool.
template <class Make>
class pool {
    using made = std::remove_cvref_t<std::invoke_result_t<const Make&>>;

public:
    /// The type of the connections.
    using connection_type = typename output_t<made>::value_type;

    /// Creates a pool without connections.
    explicit pool(Make make, const pool_options& options = pool_options())
        : shared_(std::make_shared<shared>(std::move(make), options)) {}

    /// Returns the unused connection that was used last, or makes one. While max() connections are in use, callers
    /// wait, in the order of their arrival.
    /// Errors: any error of `make`. If `make` throws, the call throws that exception.
    /// Cancel safety: safe. A connection that is being made is dropped.
    task<result<leased<connection_type>>> get() const { return get_from(shared_); }

    /// Returns the number of unused connections.
    [[nodiscard]] std::size_t idle() const { return shared_->size(); }

private:
    struct shared : detail::idle_pool<connection_type> {
        shared(Make&& function, const pool_options& options)
            : detail::idle_pool<connection_type>(options), make(std::move(function)) {}

        const Make make;
    };

    static task<result<leased<connection_type>>> get_from(std::shared_ptr<shared> from) {
        const std::shared_ptr<sync::semaphore> permits(from, &from->permits);
        auto permit = co_await sync::semaphore::acquire_owned(permits);
        if (!permit) co_return std::unexpected(make_error_code(errc::semaphore_closed));
        auto connection = from->take();
        if (!connection) {
            auto fresh = co_await detail::call_in_frame<result<connection_type>>(std::invoke(from->make));
            if (!fresh) co_return std::unexpected(fresh.error());
            connection.emplace(*std::move(fresh));
        }
        co_return leased<connection_type>(from, *std::move(permit), *std::move(connection));
    }

    std::shared_ptr<shared> shared_;
};

}  // namespace eddy::proto
