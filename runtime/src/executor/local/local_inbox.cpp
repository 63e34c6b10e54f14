// SPDX-License-Identifier: MIT
#include "executor/local/local_inbox.hpp"

#include <mutex>
#include <utility>

namespace eddy::detail {

bool local_inbox::send(spawned_task& task) noexcept {
    waker driver;
    {
        const std::lock_guard guard(lock_);
        if (is_closed_) return false;
        inbound_.push(task);
        driver = take_driver();
    }
    if (driver.is_noop()) return true;
    std::move(driver).wake();
    wake_drivers();
    return true;
}

bool local_inbox::is_empty() noexcept {
    const std::lock_guard guard(lock_);
    return inbound_.is_empty();
}

local_inbox::queue local_inbox::take() noexcept {
    const std::lock_guard guard(lock_);
    return std::exchange(inbound_, queue());
}

bool local_inbox::close_if_empty() noexcept {
    const std::lock_guard guard(lock_);
    is_closed_ = inbound_.is_empty();
    return is_closed_;
}

// ---- Drivers ----

/// Takes the waker of a driver that has not been woken. Returns an empty waker if there is none.
/// Preconditions: lock_ is held.
waker local_inbox::take_driver() noexcept {
    for (local_driver* each = drivers_.front(); each != nullptr; each = each->next) {
        if (!each->wake.is_noop()) return std::move(each->wake);
    }
    return {};
}

void local_inbox::wake_drivers() noexcept {
    for (;;) {
        waker driver;
        {
            const std::lock_guard guard(lock_);
            driver = take_driver();
        }
        if (driver.is_noop()) return;
        std::move(driver).wake();
    }
}

void local_inbox::leave(local_driver& driver) noexcept {
    waker dropped;
    const std::lock_guard guard(lock_);
    drivers_.remove(driver);
    dropped = std::move(driver.wake);
}

bool local_inbox::wait(local_driver& driver, const waker& wake) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (!inbound_.is_empty()) return false;
        if (driver.is_listed && driver.wake.will_wake(wake)) return true;
    }
    waker copy = wake;  // cloned before the lock is taken; the previous one dropped after it: both may run user code
    const std::lock_guard guard(lock_);
    if (!inbound_.is_empty()) return false;
    driver.wake.swap(copy);
    if (!driver.is_listed) drivers_.push_back(driver);
    return true;
}

// ---- Futures that wait until no task is left ----

local_driver& local_inbox::end_driver_for(const waker& wake) {
    end_driver* unused = nullptr;
    end_driver* last = nullptr;
    {
        const std::lock_guard guard(lock_);
        for (end_driver* each = &end_; each != nullptr; each = each->next_end.get()) {
            if (each->wake.is_noop()) {
                if (unused == nullptr) unused = each;
            } else if (each->wake.will_wake(wake)) {
                return *each;
            }
            last = each;
        }
    }
    if (unused != nullptr) return *unused;
    last->next_end = std::make_unique<end_driver>();
    return *last->next_end;
}

void local_inbox::wake_all_at_end(const waker* finder) noexcept {
    for (end_driver* each = &end_; each != nullptr; each = each->next_end.get()) {
        waker awaits_end;
        {
            const std::lock_guard guard(lock_);
            awaits_end = std::move(each->wake);
        }
        if (finder == nullptr || !awaits_end.will_wake(*finder)) std::move(awaits_end).wake();
    }
}

}  // namespace eddy::detail
