// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/error.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::proto {

/// How balance() selects a service for a call. The load of a service is the number of its calls in progress.
enum class balance_policy : unsigned char {
    round_robin,   ///< one service after the other
    least_loaded,  ///< the least loaded one; of several, the one that was selected longest ago
    two_choices,   ///< the less loaded one of two random services: almost as even as least_loaded, at a constant cost
};

}  // namespace eddy::proto

namespace eddy::detail {

template <class S>
class balanced_service {
public:
    using request_type = proto::request_t<S>;
    using response_type = proto::response_t<S>;
    static constexpr bool has_limit = eddy::detail::has_limit<S>();

    balanced_service(std::vector<S>&& services, proto::balance_policy policy)
        : state_(std::make_shared<state>(std::move(services), policy)) {}

    task<call_output_t<S>> operator()(request_type request) const {
        return call(std::move(request), proto::when_full::wait);
    }
    task<call_output_t<S>> call(request_type request, proto::when_full mode) const {
        return pass_on<request_type>(*state_, std::move(request), mode);
    }
    task<call_output_t<S>> offer(request_type& request, proto::when_full mode) const {
        return pass_on<request_type&>(*state_, request, mode);
    }

private:
    using load = atomic<std::size_t>;
    struct state;

    /// A static function that refers to the state only: this object may be destroyed during the call if a copy of it
    /// exists.
    template <class Given>
    static task<call_output_t<S>> pass_on(state& all, Given request, proto::when_full mode) {
        const std::size_t selected = all.select();
        const counted_call counted(all.loads[selected]);
        co_return co_await call_service(all.services[selected], std::move(request), mode);
    }

    // relaxed, in all functions: the counts publish no other data. They only influence which service is selected.
    class counted_call {
    public:
        explicit counted_call(load& of) noexcept : of_(&of) { of_->fetch_add(1, std::memory_order_relaxed); }
        counted_call(const counted_call&) = delete;
        counted_call& operator=(const counted_call&) = delete;
        ~counted_call() { of_->fetch_sub(1, std::memory_order_relaxed); }

    private:
        load* of_;
    };

    struct state {
        state(std::vector<S>&& all, proto::balance_policy how)
            : services(std::move(all)), loads(services.size()), policy(how) {}

        std::size_t select() noexcept {
            const std::size_t count = services.size();
            if (policy == proto::balance_policy::two_choices && count > 2) {
                const std::size_t one = random_here.below(count);
                std::size_t other = random_here.below(count - 1);
                if (other >= one) ++other;
                return load_of(other) < load_of(one) ? other : one;
            }
            const std::size_t first = next.fetch_add(1, std::memory_order_relaxed) % count;
            std::size_t best = first;
            if (policy == proto::balance_policy::round_robin) return best;
            for (std::size_t i = 1; i < count; ++i) {
                const std::size_t each = (first + i) % count;
                if (load_of(each) < load_of(best)) best = each;
            }
            return best;
        }
        [[nodiscard]] std::size_t load_of(std::size_t index) const noexcept {
            return loads[index].load(std::memory_order_relaxed);
        }

        const std::vector<S> services;
        std::vector<load> loads;
        const proto::balance_policy policy;
        atomic<std::size_t> next{0};
    };

    std::shared_ptr<state> state_;
};

}  // namespace eddy::detail

namespace eddy::proto {

/// Returns a service that passes each call to one of `services`, for example clients of several addresses. Copies share
/// the counts. The services may have layers of their own. With a circuit_breaker() around each, calls of a service that
/// fails return quickly. A retry() around the balance then tries another service.
/// Errors: throws `misuse` if `services` is empty.
/// Thread safety: any thread, if the services may be called on any thread.
/// Lifetime: one of the copies must outlive the calls.
/// Cost: one allocation for all copies. least_loaded compares all services for each call; the other policies do not.
template <service S>
[[nodiscard]] auto balance(std::vector<S> services, balance_policy policy = balance_policy::two_choices,
                           std::source_location where = std::source_location::current()) {
    if (services.empty()) throw misuse("balance() needs at least one service", where);
    return detail::balanced_service<S>(std::move(services), policy);
}

}  // namespace eddy::proto
