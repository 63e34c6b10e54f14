// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/result.hpp>
#include <eddy/signal/detail/blocked_signals.hpp>

#include "sys/processes.hpp"
#include "sys/this_process.hpp"

namespace eddy::process::detail {

/// How long a thread of the library waits for more work before it ends. While it exists, eddy cannot report that a
/// program waits for ever: this thread could wake it.
inline constexpr auto idle_time = std::chrono::seconds(1);

/// Starts a thread that takes no signals of the program, and that ends with the program at the latest.
template <class F>
eddy::result<void> start_own_thread(F f) noexcept try {
    const eddy::detail::blocked_signals blocked;
    std::thread([work = std::move(f)]() mutable {
        eddy::sys::name_own_thread();
        work();
    }).detach();
    return {};
} catch (const std::system_error& thrown) {
    return std::unexpected(thrown.code());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

/// The object of this process with the class T, which has a thread of its own. It is never destroyed. A process that
/// was forked from this one does not have the thread, and makes another object.
template <class T>
class of_this_process {
public:
    /// Returns the object. T::make() returns a result with an owning pointer to a new one.
    eddy::result<T*> get() {
        const auto id = eddy::sys::process_id();
        // acquire: pairs with the release of the exchange, which comes after the constructor.
        T* known = current_.load(std::memory_order_acquire);
        if (known != nullptr && known->process() == id) return known;
        auto made = T::make();
        if (!made) return std::unexpected(made.error());
        // release: other threads see the members. acquire: this thread sees those that another one has made.
        if (current_.compare_exchange_strong(known, made->get(), std::memory_order_acq_rel,
                                             std::memory_order_acquire)) {
            return made->release();
        }
        return known;
    }

private:
    eddy::detail::atomic<T*> current_{nullptr};
};

}  // namespace eddy::process::detail
