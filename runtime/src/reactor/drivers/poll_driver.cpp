// SPDX-License-Identifier: MIT
#include "reactor/drivers/poll_driver.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

#include "sys/countdown.hpp"
#include "sys/read_hup.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

using sys::read_hup;
constexpr short reading = POLLIN | read_hup;

short events_of(io::interest wanted) noexcept {
    int events = 0;
    if (wanted.is_readable()) events |= reading;
    if (wanted.is_writable()) events |= POLLOUT;
    if (wanted.is_priority()) events |= POLLPRI;
    return static_cast<short>(events);
}

/// Returns the events of the directions that `cleared` belongs to.
short events_of(io::ready cleared) noexcept {
    int events = 0;
    if (cleared.intersects(io::ready::mask_of(io::interest::readable | io::interest::priority))) {
        events |= reading | POLLPRI;
    }
    if (cleared.intersects(io::ready::mask_of(io::interest::writable))) events |= POLLOUT;
    return static_cast<short>(events);
}

/// Waits, with a resolution of nanoseconds if the system has ppoll(2).
int wait_once(std::vector<pollfd>& fds, const max_wait& left) noexcept {
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
    timespec limit{};
    if (left) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(*left);
        limit.tv_sec = seconds.count();
        limit.tv_nsec = (*left - seconds).count();
    }
    return ::ppoll(fds.data(), static_cast<nfds_t>(fds.size()), left ? &limit : nullptr, nullptr);
#else
    return ::poll(fds.data(), static_cast<nfds_t>(fds.size()), sys::to_milliseconds(left));
#endif
}

void forget_reports(std::vector<pollfd>& fds) noexcept {
    for (pollfd& each : fds) each.revents = 0;
}

}  // namespace

result<std::unique_ptr<poll_driver>> poll_driver::make(std::size_t events_per_tick) noexcept try {
    auto wakes = wake_pipe::make();
    if (!wakes) return std::unexpected(wakes.error());
    return std::unique_ptr<poll_driver>(new poll_driver(events_per_tick, std::move(*wakes)));
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

poll_driver::poll_driver(std::size_t events_per_tick, wake_pipe&& wakes)
    : events_per_tick_(events_per_tick), wakes_(std::move(wakes)) {
    set_.fds.push_back({wakes_.read_end(), POLLIN, 0});
    set_.keys.push_back(nullptr);
    wanted_.push_back(POLLIN);
    polled_.reserve(tick_capacity_);
}

// ---- The set ----

std::size_t poll_driver::place_of(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);
    return fd >= 0 && index < places_.size() ? places_[index] : 0;
}

/// Requests more events, as far as the source is watched for them.
void poll_driver::ask_for(std::size_t place, short events) noexcept {
    pollfd& asked = set_.fds[place];
    const auto more = static_cast<short>(asked.events | (events & wanted_[place]));
    if (more == asked.events) return;
    asked.events = more;
    if (asked.fd < 0) asked.fd = ~asked.fd;
    interrupt();
}

/// Makes a tick that sleeps on another thread wait again with the changed set.
void poll_driver::interrupt() noexcept {
    if (is_waiting_) wakes_.ring();
}

result<void> poll_driver::watch(int fd, source_key key, io::interest wanted) noexcept try {
    if (const auto checked = sys::check_pollable(fd); !checked) return checked;
    const std::lock_guard guard(lock_);
    if (place_of(fd) != 0) return std::unexpected(std::make_error_code(std::errc::file_exists));
    // Allocates first, because an allocation may throw. This includes the memory for the copy of the set that a tick
    // makes, because a tick cannot report a failed allocation.
    const std::size_t place = set_.size();
    const auto index = static_cast<std::size_t>(fd);
    if (index >= places_.size()) places_.resize(std::max(2 * places_.size(), index + 1));
    if (place == wanted_.capacity()) wanted_.reserve(2 * place);
    set_.reserve(wanted_.capacity());
    if (tick_capacity_ <= place && spare_.fds.capacity() <= place) spare_.reserve(wanted_.capacity());

    set_.fds.push_back({~fd, 0, 0});
    set_.keys.push_back(key);
    wanted_.push_back(events_of(wanted));
    places_[index] = static_cast<std::uint32_t>(place);
    ask_for(place, wanted_.back());
    return ok();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> poll_driver::watch_again(int fd, source_key key, io::interest wanted) noexcept {
    const std::lock_guard guard(lock_);
    const std::size_t place = place_of(fd);
    if (place == 0) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    set_.keys[place] = key;
    wanted_[place] = events_of(wanted);
    set_.fds[place].events = static_cast<short>(set_.fds[place].events & wanted_[place]);
    ask_for(place, wanted_[place]);
    return ok();
}

result<void> poll_driver::unwatch(int fd) noexcept {
    const std::lock_guard guard(lock_);
    const std::size_t place = place_of(fd);
    if (place == 0) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    // Until a sleeping poll(2) returns, it keeps the file open, so the peer would not notice the close.
    if (set_.fds[place].fd >= 0) interrupt();
    const int moved = set_.fds.back().fd;
    places_[static_cast<std::size_t>(moved < 0 ? ~moved : moved)] = static_cast<std::uint32_t>(place);
    places_[static_cast<std::size_t>(fd)] = 0;
    set_.remove(place);
    wanted_[place] = wanted_.back();
    wanted_.pop_back();
    return sys::check_open(fd);
}

void poll_driver::rearm(int fd, source_key key, io::ready cleared) noexcept {
    if (process_.is_from_parent()) return;  // a forked child: the lock may be locked forever
    const std::lock_guard guard(lock_);
    const std::size_t place = place_of(fd);
    if (place != 0 && set_.keys[place] == key) ask_for(place, events_of(cleared));
}

// ---- A tick ----

result<driver_tick> poll_driver::tick(max_wait timeout) {
    auto done = wait(timeout);
    if (!done) return done;
    for (std::size_t i = 0; i != polled_.size(); ++i) {
        if (polled_.fds[i].revents != 0) polled_.keys[i]->report(ready_of(polled_.fds[i].revents));
    }
    return done;
}

/// Waits until there is an event of a source or a wake-up, or until the time is over.
result<driver_tick> poll_driver::wait(max_wait timeout) noexcept {
    for (sys::countdown time(alarm_.limit(timeout));; time.update()) {
        prepare();
        // After an error, revents has the values from before the call.
        const bool failed = wait_once(polled_.fds, time.left()) < 0;
        const std::error_code error = failed ? sys::last_error() : std::error_code();
        if (failed) forget_reports(polled_.fds);
        const driver_tick done = collect();
        if (failed && error != std::errc::interrupted) return std::unexpected(error);
        if (done.events == 0 && !done.was_woken && !time.is_over()) continue;
        alarm_.reset_if_due();
        return done;
    }
}

/// Copies the set for poll(2), which runs without the lock.
void poll_driver::prepare() noexcept {
    const std::lock_guard guard(lock_);
    if (tick_capacity_ < set_.size()) {
        std::swap(polled_, spare_);
        tick_capacity_ = polled_.fds.capacity();
    }
    polled_.fds.assign(set_.fds.begin(), set_.fds.end());
    polled_.keys.assign(set_.keys.begin(), set_.keys.end());
    is_waiting_ = true;
}

/// Removes the reported conditions from the requested ones. Leaves in polled_ only the reports that this tick passes
/// on.
driver_tick poll_driver::collect() noexcept {
    const std::lock_guard guard(lock_);
    is_waiting_ = false;
    driver_tick done;
    if (std::exchange(polled_.fds[0].revents, short{0}) != 0) done.was_woken = take_wake();
    // Begins after the source that was reported last, so that no source starves.
    const std::size_t sources = polled_.size() - 1;
    const std::size_t first = last_;
    for (std::size_t i = 0; i != sources; ++i) {
        const std::size_t at = 1 + (first + i) % sources;
        pollfd& report = polled_.fds[at];
        if (report.revents == 0) continue;
        const std::size_t place = place_of(report.fd);
        if (place == 0 || set_.keys[place] != polled_.keys[at] || done.events == events_per_tick_) {
            report.revents = 0;
            continue;
        }
        if ((report.revents & read_hup) != 0) report.revents |= POLLIN;  // the end of a stream can be read
        const bool is_over = (report.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        pollfd& asked = set_.fds[place];
        asked.events = is_over ? short{0} : static_cast<short>(asked.events & ~report.revents);
        if (asked.events == 0) asked.fd = ~report.fd;
        last_ = at;
        ++done.events;
    }
    return done;
}

/// Empties the wake pipe. Returns whether wake() was called, and not only interrupt().
bool poll_driver::take_wake() noexcept {
    wakes_.drain();
    // acq_rel: pairs with the exchange in wake(). A wake() that finds the flag set writes nothing. The exchange
    // nevertheless makes visible what its thread has published before.
    return wake_is_due_.exchange(false, std::memory_order_acq_rel);
}

/// Converts a report of poll(2). sys::event does the same for epoll.
io::ready poll_driver::ready_of(short reported) noexcept {
    const auto has = [reported](int mask) { return (reported & mask) != 0; };
    io::ready ready;
    if (has(POLLIN | POLLPRI)) ready |= io::ready::readable;
    if (has(POLLOUT)) ready |= io::ready::writable;
    if (has(POLLHUP) || (has(POLLIN) && has(read_hup))) ready |= io::ready::read_closed;
    if (has(POLLHUP) || (has(POLLOUT) && has(POLLERR)) || reported == POLLERR) ready |= io::ready::write_closed;
    if (has(POLLERR)) ready |= io::ready::error;
    if (has(POLLPRI)) ready |= io::ready::priority;
    return ready;
}

void poll_driver::wake() noexcept {
    // acq_rel: pairs with the exchange in take_wake().
    if (wake_is_due_.exchange(true, std::memory_order_acq_rel)) return;
    const std::lock_guard guard(lock_);
    if (!is_closed_) wakes_.ring();
}

void poll_driver::close() noexcept {
    const std::lock_guard guard(lock_);
    is_closed_ = true;
    wakes_.close();
}

}  // namespace eddy::detail
