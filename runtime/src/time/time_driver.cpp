// SPDX-License-Identifier: MIT
#include "time/time_driver.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/time/clock.hpp>

#include "sync/wake_list.hpp"
#include "sys/coarse_clock.hpp"

namespace eddy::detail {

using std::chrono::steady_clock;

// ---- Entries ----

/// Unlinks the entry and takes its waker, for timer_entry::disarm(). Returns false if the driver has already ended its
/// use of the entry.
inline bool time_driver::unlink(timer_entry& entry, waker& kept) noexcept {
    std::lock_guard guard(lock_);
    if (!entry.is_armed()) return false;
    // SAFETY: the entry is armed, and so it is linked in the wheel, in the wheel's list of due entries, in firing_, or
    // in endless_. All these are guarded by the lock.
    wheel_.remove(entry);
    is_next_current_ = false;
    kept.swap(entry.waker_);
    return true;
}

waker timer_entry::disarm() noexcept {
    if (driver_ == nullptr) return {};
    // SAFETY: while the entry is armed, the owner's reference keeps the driver alive. Afterwards the entry's own
    // reference does. If the entry fires between the two loads of its state, it got its reference before.
    time_driver& driver = *std::exchange(driver_, nullptr);
    waker kept;
    const bool was_armed = is_armed() && driver.unlink(*this, kept);
    // relaxed: from here on, only its owner accesses the entry.
    state_.store(state::idle, std::memory_order_relaxed);
    if (!was_armed) driver.release();
    return kept;
}

// ---- Lifetime ----

time_driver* time_driver::make(waker unpark, owner by) { return new time_driver(std::move(unpark), by); }

time_driver::time_driver(waker unpark, owner by) noexcept
    : origin_(steady_clock::now()), unpark_(std::move(unpark)), is_of_core_(by == owner::core) {}

time_driver::~time_driver() {
    EDDY_ASSERT(!wheel_.next_expiration() && firing_.is_empty() && endless_.is_empty(),
                "time_driver: destroyed while entries are armed");
}

void time_driver::add_reference() noexcept { references_.add(); }

void time_driver::release() noexcept {
    if (references_.drop()) delete this;
}

// ---- Clock ----

time_driver::time_point time_driver::now() const noexcept {
    // acquire: pairs with the release in resume(), so that the load of offset_ sees the value that was stored before
    // it.
    const duration::rep stopped = paused_at_.load(std::memory_order_acquire);
    if (stopped != running) [[unlikely]]
        return time_point(duration(stopped));
    return time::saturating_add(steady_clock::now(), duration(offset_.load(std::memory_order_relaxed)));
}

time_driver::time_point time_driver::coarse_now() const noexcept {
    // acquire: as in now().
    const duration::rep stopped = paused_at_.load(std::memory_order_acquire);
    if (stopped != running) [[unlikely]]
        return time_point(duration(stopped));
    return time::saturating_add(sys::coarse_now(), duration(offset_.load(std::memory_order_relaxed)));
}

bool time_driver::is_paused() const noexcept {
    // relaxed: it publishes no other data.
    return paused_at_.load(std::memory_order_relaxed) != running;
}

void time_driver::pause() noexcept {
    std::lock_guard guard(lock_);
    // relaxed: the lock orders the accesses of paused_at_ in this function, advance(), and auto_advance(). now() on
    // another thread uses only the value.
    if (!is_paused()) paused_at_.store(now().time_since_epoch().count(), std::memory_order_relaxed);
}

void time_driver::resume() noexcept {
    std::lock_guard guard(lock_);
    if (!is_paused()) return;
    // relaxed: published by the release below.
    offset_.store((now() - steady_clock::now()).count(), std::memory_order_relaxed);
    // release: pairs with the acquire in now().
    paused_at_.store(running, std::memory_order_release);
}

void time_driver::advance(duration by) noexcept {
    std::lock_guard guard(lock_);
    EDDY_ASSERT(is_paused(), "time_driver: only a paused clock can be advanced");
    const time_point then = time::saturating_add(now(), std::max(by, duration::zero()));
    // relaxed: see pause().
    paused_at_.store(then.time_since_epoch().count(), std::memory_order_relaxed);
}

bool time_driver::auto_advance() noexcept {
    std::lock_guard guard(lock_);
    if (!is_paused()) return false;
    // The wheel may advance beyond the clock, but by less than a tick: it stops at the first deadline, rounded up.
    while (wheel_.due().is_empty()) {
        const auto next = wheel_.next_expiration();
        if (!next) return false;
        wheel_.advance(*next);
    }
    // relaxed: see pause().
    paused_at_.store(std::max(now(), first_due()).time_since_epoch().count(), std::memory_order_relaxed);
    publish_next();
    return true;
}

// ---- Ticks ----

std::uint64_t time_driver::deadline_tick(time_point deadline) const noexcept {
    if (deadline <= origin_) return 0;
    // Add 1 after the division. Adding a tick before it could overflow.
    const auto whole = static_cast<std::uint64_t>((deadline - origin_ - duration(1)) / tick);
    return whole + 1;
}

std::uint64_t time_driver::due_tick(time_point now) const noexcept {
    // A paused clock stops at deadlines, and not at ticks. take_due() compares the exact deadlines, and so holds back
    // entries of the same tick whose deadline is later.
    if (is_paused()) return deadline_tick(now);
    return now <= origin_ ? 0 : static_cast<std::uint64_t>((now - origin_) / tick);
}

time_driver::time_point time_driver::instant_of(std::uint64_t at) const noexcept {
    const auto most = static_cast<std::uint64_t>(duration::max() / tick);
    return time::saturating_add(origin_, at <= most ? static_cast<duration::rep>(at) * tick : duration::max());
}

// ---- Arming ----

/// Links the entry. Returns true if its deadline is now the earliest. The caller holds the lock.
inline bool time_driver::link(timer_entry& entry) noexcept {
    // relaxed: fire() reads the state under the lock.
    entry.state_.store(timer_entry::state::armed, std::memory_order_relaxed);
    if (entry.deadline_ == time_point::max()) {
        endless_.push_back(entry);
        return false;
    }
    wheel_.insert(entry, deadline_tick(entry.deadline_));
    // relaxed, as each access of next_: it changes under the lock, and it publishes no other data. An event loop that
    // reads the old value without the lock and then parks is unparked by arm(). If another thread has
    // just taken over the loop from this one, it has taken the lock since, in synchronize().
    const std::uint64_t at = wheel_.due().is_empty() ? entry.tick : 0;
    if (at >= next_.load(std::memory_order_relaxed)) return false;
    next_.store(at, std::memory_order_relaxed);
    return true;
}

void time_driver::arm(timer_entry& entry, time_point deadline, waker wake) noexcept {
    EDDY_ASSERT(!entry.is_armed(), "time_driver: an entry was armed twice");
    if (entry.driver_ != nullptr) static_cast<void>(entry.disarm());
    entry.driver_ = this;
    entry.deadline_ = deadline;
    entry.waker_.swap(wake);  // swapped with an empty waker
    std::unique_lock guard(lock_);
    if (shut_) [[unlikely]] {
        guard.unlock();
        settle(entry, timer_entry::state::gone).wake();
        return;
    }
    const bool is_first = link(entry);
    guard.unlock();
    if (is_first) unpark_.wake_by_ref();
}

void time_driver::synchronize() noexcept { const std::lock_guard guard(lock_); }

bool time_driver::poll(timer_entry& entry, const waker& wake) noexcept {
    if (!entry.is_armed()) return true;
    time_driver& driver = *entry.driver_;  // SAFETY: see disarm()
    {
        std::lock_guard guard(driver.lock_);
        if (!entry.is_armed()) return true;
        if (entry.waker_.will_wake(wake)) return false;
    }
    waker replaced = wake;  // cloned here, and the former one dropped at the end: both may run user-provided code
    std::lock_guard guard(driver.lock_);
    if (!entry.is_armed()) return true;
    entry.waker_.swap(replaced);
    return false;
}

// ---- Firing ----

namespace {
// If one call of fire() fires this many timers, more are likely to follow. The next deadline is then at least 400 us
// later, so that they fire together. This saves most wake-ups of an event loop with thousands of timers. With few
// timers, each one fires at its own tick.
constexpr std::size_t many = 4;
constexpr auto gap_when_many = std::chrono::microseconds(400);
}  // namespace

std::optional<time_driver::time_point> time_driver::next_deadline() noexcept {
    // relaxed, here and below: see link().
    if (next_.load(std::memory_order_relaxed) == never) return std::nullopt;
    std::lock_guard guard(lock_);
    if (!is_next_current_) publish_next();
    if (!wheel_.due().is_empty()) return first_due();
    const std::uint64_t next = next_.load(std::memory_order_relaxed);
    if (next == never) return std::nullopt;
    return is_paused() ? instant_of(next) : std::max(instant_of(next), calm_until_);
}

std::size_t time_driver::fire(time_point now) noexcept {
    // relaxed: see link().
    if (due_tick(now) < next_.load(std::memory_order_relaxed)) return 0;
    std::size_t fired = 0;
    wake_list wakers;  // the last ones are called at the end, after the lock is released
    std::unique_lock guard(lock_);
    wheel_.advance(due_tick(now));
    // Take all due entries from the wheel first. Entries that are armed from here on, for example by a waker, wait for
    // the next call.
    firing_.take_all(wheel_.due());
    while (timer_entry* const entry = take_due(now)) {
        wakers.push(settle(*entry, timer_entry::state::fired));
        ++fired;
        if (!wakers.is_full()) continue;
        guard.unlock();
        wakers.wake_all();
        guard.lock();
    }
    publish_next();
    if (fired >= many) calm_until_ = time::saturating_add(now, gap_when_many);
    return fired;
}

// relaxed: see link().
std::size_t time_driver::fire() noexcept { return next_.load(std::memory_order_relaxed) == never ? 0 : fire(now()); }

void time_driver::shutdown() noexcept {
    wake_list wakers;  // as in fire()
    std::unique_lock guard(lock_);
    shut_ = true;
    wheel_.advance(never);
    firing_.take_all(wheel_.due());
    firing_.take_all(endless_);
    publish_next();
    // SAFETY: only timer_entry objects are linked here. They are alive: disarm() unlinks an entry under the lock.
    while (auto* const entry = static_cast<timer_entry*>(firing_.pop_front())) {
        wakers.push(settle(*entry, timer_entry::state::gone));
        if (!wakers.is_full()) continue;
        guard.unlock();
        wakers.wake_all();
        guard.lock();
    }
}

/// Ends the driver's use of `entry`, which is unlinked. The caller wakes or drops the waker outside of the lock.
waker time_driver::settle(timer_entry& entry, timer_entry::state outcome) noexcept {
    waker taken = std::move(entry.waker_);
    add_reference();
    // release: pairs with the acquire in timer_entry::state_of(). This must be the last access: as soon as the owner
    // sees the new state, it may destroy the entry.
    entry.state_.store(outcome, std::memory_order_release);
    return taken;
}

/// Unlinks and returns the next entry of firing_ whose deadline has passed. Moves entries whose deadline is after `now`
/// back to the list of due entries; they are due within a tick.
timer_entry* time_driver::take_due(time_point now) noexcept {
    // SAFETY: see shutdown().
    while (auto* const entry = static_cast<timer_entry*>(firing_.pop_front())) {
        if (entry->deadline_ <= now) return entry;
        wheel_.due().push_back(*entry);
    }
    return nullptr;
}

time_driver::time_point time_driver::first_due() const noexcept {
    time_point first = time_point::max();
    wheel_.due().for_each([&first](const wheel_entry& entry) {
        // SAFETY: see shutdown().
        first = std::min(first, static_cast<const timer_entry&>(entry).deadline_);
    });
    return first;
}

void time_driver::publish_next() noexcept {
    // An entry that was held back behind a paused clock may be due within the tick that fire() rounds down. So fire()
    // must always check.
    // relaxed: see link().
    next_.store(wheel_.due().is_empty() ? wheel_.next_expiration().value_or(never) : 0, std::memory_order_relaxed);
    is_next_current_ = true;
}

}  // namespace eddy::detail
