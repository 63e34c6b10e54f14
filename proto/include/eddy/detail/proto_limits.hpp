// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/deadline.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

// The services of the layers of eddy/proto/limits.hpp.

namespace eddy::detail {

template <class S>
class timed_service : public layered<timed_service<S>, S> {
public:
    timed_service(S&& inner, time::duration limit) : layered<timed_service<S>, S>(std::move(inner)), limit_(limit) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        auto answer = co_await with_deadline(limit_, this->next(std::move(request), mode));
        if (!answer) co_return layer_error<S>(make_error_code(errc::timed_out));
        co_return *std::move(answer);
    }

private:
    time::duration limit_;
};

template <class S>
class concurrency_limited_service : public layered<concurrency_limited_service<S>, S> {
public:
    static constexpr bool has_limit = true;

    concurrency_limited_service(S&& inner, std::shared_ptr<sync::semaphore> permits)
        : layered<concurrency_limited_service<S>, S>(std::move(inner)), permits_(std::move(permits)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        std::optional<sync::semaphore::permit> permit;
        if (mode == proto::when_full::fail) {
            auto taken = permits_->try_acquire();
            if (!taken) {
                const bool closed = taken.error() == sync::try_acquire_error::closed;
                co_return layer_error<S>(make_error_code(closed ? errc::semaphore_closed : errc::overloaded));
            }
            permit.emplace(*std::move(taken));
        } else {
            auto taken = co_await permits_->acquire();
            if (!taken) co_return layer_error<S>(make_error_code(errc::semaphore_closed));
            permit.emplace(*std::move(taken));
        }
        co_return co_await this->next(std::move(request), mode);
    }

private:
    std::shared_ptr<sync::semaphore> permits_;
};

/// The start times of the last `n` calls. A call may start when the n-th call before it started at least `per` ago.
/// Thread safety: any thread.
class recent_starts {
public:
    recent_starts(std::size_t n, time::duration per) : per_(per), starts_(n) {}

    /// Records a start at `now` if it is permitted. Otherwise returns the time at which a start will be permitted.
    std::optional<time::time_point> try_start(time::time_point now) {
        const std::lock_guard guard(lock_);
        std::optional<time::time_point>& oldest = starts_[next_];
        if (oldest && now - *oldest < per_) return time::saturating_add(*oldest, per_);
        oldest = now;
        next_ = next_ + 1 == starts_.size() ? 0 : next_ + 1;
        return std::nullopt;
    }

    /// The call that waits for the next start holds this mutex, so that calls start in the order of their arrival.
    sync::mutex<> turn;

private:
    const time::duration per_;
    mutex lock_;
    // Guarded by lock_: a ring, whose oldest entry is at next_.
    std::vector<std::optional<time::time_point>> starts_;
    std::size_t next_ = 0;
};

template <class S>
class rate_limited_service : public layered<rate_limited_service<S>, S> {
public:
    static constexpr bool has_limit = true;

    rate_limited_service(S&& inner, std::shared_ptr<recent_starts> starts)
        : layered<rate_limited_service<S>, S>(std::move(inner)), starts_(std::move(starts)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        if (mode == proto::when_full::fail) {
            if (starts_->try_start(time::clock::now())) co_return layer_error<S>(make_error_code(errc::overloaded));
        } else {
            const auto turn = co_await starts_->turn.lock();
            while (const auto later = starts_->try_start(time::clock::now())) co_await time::sleep_until(*later);
        }
        co_return co_await this->next(std::move(request), mode);
    }

private:
    std::shared_ptr<recent_starts> starts_;
};

template <class S>
class shedding_service : public layered<shedding_service<S>, S> {
public:
    static constexpr bool has_limit = false;  // this layer never waits, so an outer load_shed() changes nothing

    explicit shedding_service(S&& inner) : layered<shedding_service<S>, S>(std::move(inner)) {}

    template <class Given>
    auto call(Given request, proto::when_full) const {
        if constexpr (std::is_reference_v<Given>) {
            return this->next(std::move(request), proto::when_full::fail);
        } else {
            return this->start(std::move(request), proto::when_full::fail);
        }
    }
};

}  // namespace eddy::detail
