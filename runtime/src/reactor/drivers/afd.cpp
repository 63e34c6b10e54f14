// SPDX-License-Identifier: MIT
#include "reactor/drivers/afd.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

#include "sys/countdown.hpp"
#include "sys/syscall.hpp"
#include "sys/windows/afd_poll.hpp"
#include "sys/windows/winsock.hpp"

namespace eddy::detail {
namespace {

namespace event = sys::afd_event;

// What a source may wait for. A hang-up or an error belongs to both directions.
constexpr unsigned reading = 1;
constexpr unsigned writing = 2;
constexpr unsigned urgent = 4;

// The kernel searches the operations of a device handle when one of them ends.
constexpr std::size_t most_sources_per_device = 32;

constexpr ULONG_PTR wake_key = 1;  // completions of AFD have the key 0

unsigned directions_of(io::interest wanted) noexcept {
    return (wanted.is_readable() ? reading : 0) | (wanted.is_writable() ? writing : 0) |
           (wanted.is_priority() ? urgent : 0);
}

unsigned directions_of(io::ready cleared) noexcept {
    unsigned directions = 0;
    if (cleared.intersects(io::ready::mask_of(io::interest::readable | io::interest::priority))) {
        directions |= reading | urgent;
    }
    if (cleared.intersects(io::ready::mask_of(io::interest::writable))) directions |= writing;
    return directions;
}

ULONG events_of(unsigned directions) noexcept {
    ULONG events = event::abort | event::connect_fail | event::local_close;
    if ((directions & reading) != 0) events |= event::receive | event::disconnect | event::accept;
    if ((directions & writing) != 0) events |= event::send;
    if ((directions & urgent) != 0) events |= event::receive_expedited;
    return events;
}

/// Returns the directions for which the events are a report.
unsigned directions_of_events(ULONG events) noexcept {
    if ((events & (event::abort | event::connect_fail)) != 0) return reading | writing | urgent;
    unsigned directions = 0;
    if ((events & (event::receive | event::disconnect | event::accept)) != 0) directions |= reading;
    if ((events & event::send) != 0) directions |= writing;
    if ((events & event::receive_expedited) != 0) directions |= urgent;
    return directions;
}

io::ready ready_of(ULONG events) noexcept {
    const auto has = [events](ULONG mask) { return (events & mask) != 0; };
    io::ready ready;
    if (has(event::receive | event::receive_expedited | event::disconnect | event::accept)) {
        ready |= io::ready::readable;
    }
    if (has(event::send)) ready |= io::ready::writable;
    if (has(event::disconnect)) ready |= io::ready::read_closed;
    if (has(event::receive_expedited)) ready |= io::ready::priority;
    if (has(event::abort | event::connect_fail)) {
        ready |= io::ready::readable | io::ready::writable | io::ready::read_closed | io::ready::write_closed |
                 io::ready::error;
    }
    return ready;
}

}  // namespace

/// A watched socket, and its poll operation.
class afd_driver::source {
public:
    source(int of, HANDLE known_as, source_key by, std::size_t on, unsigned watched_for) noexcept
        : fd(of), base(known_as), key(by), device(on), wanted(watched_for) {}

    [[nodiscard]] static source& of(OVERLAPPED* overlapped) noexcept {
        // SAFETY: the address is the address of the operation of a source, whose first members these are.
        return *reinterpret_cast<source*>(overlapped);
    }

    sys::afd_operation operation;  // the first member: see of()
    const int fd;
    const HANDLE base;
    source_key key;
    const std::size_t device;
    unsigned wanted;         // the directions that it is watched for
    unsigned requested = 0;  // those that are to be reported
    unsigned in_flight = 0;  // of the operation in progress; 0 if there is none
    bool is_being_cancelled = false;
    bool is_unwatched = false;  // destroyed by its completion
};

struct afd_driver::completions {
    explicit completions(std::size_t capacity) : entries(capacity) {}

    std::vector<OVERLAPPED_ENTRY> entries;
    ULONG count = 0;
};

result<std::unique_ptr<afd_driver>> afd_driver::make(std::size_t events_per_tick) noexcept try {
    sys::start_winsock();
    std::unique_ptr<afd_driver> made(new afd_driver(events_per_tick));
    made->port_ = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
    if (made->port_ == nullptr) return std::unexpected(sys::windows_error(::GetLastError()));
    return made;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

afd_driver::afd_driver(std::size_t events_per_tick) : completions_(std::make_unique<completions>(events_per_tick)) {
    reports_.reserve(events_per_tick);
}

afd_driver::~afd_driver() { close(); }

// ---- Sources ----

/// Returns the number of a device for one more source.
result<std::size_t> afd_driver::device_with_room() {
    for (std::size_t i = 0; i != devices_.size(); ++i) {
        const std::size_t at = (device_hint_ + i) % devices_.size();
        if (devices_[at].sources < most_sources_per_device) return device_hint_ = at;
    }
    devices_.reserve(devices_.size() + 1);
    const auto opened = sys::open_afd(port_);
    if (!opened) return std::unexpected(opened.error());
    devices_.push_back({*opened, 0});
    return device_hint_ = devices_.size() - 1;
}

result<void> afd_driver::watch(int fd, source_key key, io::interest wanted) noexcept try {
    const auto base = sys::base_socket(fd);
    if (!base) return std::unexpected(base.error());
    const std::lock_guard guard(lock_);
    if (is_closed_) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    if (sources_.contains(fd)) return std::unexpected(std::make_error_code(std::errc::file_exists));
    const auto at = device_with_room();
    if (!at) return std::unexpected(at.error());
    auto made = std::make_unique<source>(fd, *base, key, *at, directions_of(wanted));
    const auto added = sources_.emplace(fd, std::move(made)).first;
    ++devices_[*at].sources;
    if (auto begun = request(*added->second, added->second->wanted); !begun) {
        destroy(*added->second.release());
        sources_.erase(added);
        return begun;
    }
    return ok();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> afd_driver::watch_again(int fd, source_key key, io::interest wanted) noexcept {
    const std::lock_guard guard(lock_);
    const auto found = sources_.find(fd);
    if (found == sources_.end()) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    source& watched = *found->second;
    watched.key = key;
    watched.wanted = directions_of(wanted);
    watched.requested &= watched.wanted;
    return request(watched, watched.wanted);
}

result<void> afd_driver::unwatch(int fd) noexcept {
    const std::lock_guard guard(lock_);
    const auto found = sources_.find(fd);
    if (found == sources_.end()) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    auto dropped = std::move(found->second);
    sources_.erase(found);
    drop(std::move(dropped));
    if (!sys::check_open(fd)) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    return ok();
}

void afd_driver::rearm(int fd, source_key key, io::ready cleared) noexcept {
    const std::lock_guard guard(lock_);
    const auto found = sources_.find(fd);
    if (found == sources_.end() || found->second->key != key) return;
    if (!request(*found->second, directions_of(cleared))) post_failure(*found->second);
}

/// Destroys a source, now or when its operation has ended.
void afd_driver::drop(std::unique_ptr<source> dropped) noexcept {
    dropped->is_unwatched = true;
    if (dropped->in_flight == 0) return destroy(*dropped.release());
    cancel(*dropped);
    static_cast<void>(dropped.release());  // complete() destroys it
}

void afd_driver::destroy(source& gone) noexcept {
    --devices_[gone.device].sources;
    device_hint_ = gone.device;
    delete &gone;
}

// ---- Operations ----

/// Requests more directions, as far as the source is watched for them.
result<void> afd_driver::request(source& of, unsigned directions) noexcept {
    of.requested |= directions & of.wanted;
    if (is_closed_ || of.requested == 0) return ok();
    if (of.in_flight == 0) return start(of);
    if ((of.requested & ~of.in_flight) != 0) cancel(of);
    return ok();
}

result<void> afd_driver::start(source& of) noexcept {
    auto begun = sys::start_poll(devices_[of.device].handle, of.base, events_of(of.requested), of.operation);
    if (!begun) return begun;
    of.in_flight = of.requested;
    of.is_being_cancelled = false;
    ++in_flight_;
    return ok();
}

/// Reports an operation that cannot start as one that has failed, so that a waiting task finds the error.
void afd_driver::post_failure(source& of) noexcept {
    of.operation.set_failed();
    if (::PostQueuedCompletionStatus(port_, 0, 0, &of.operation.overlapped) == 0) return;
    of.in_flight = of.requested;
    ++in_flight_;
}

void afd_driver::cancel(source& of) noexcept {
    if (std::exchange(of.is_being_cancelled, true)) return;
    sys::cancel_poll(devices_[of.device].handle, of.operation);
}

/// Passes on what an operation has reported, and starts the next one if conditions are still requested.
void afd_driver::complete(source& done) noexcept {
    const bool was_cancelled = done.operation.was_cancelled();
    done.in_flight = 0;
    --in_flight_;
    if (done.is_unwatched) return destroy(done);

    ULONG events = 0;
    if (done.operation.has_failed()) {
        events = event::connect_fail;
    } else if (!was_cancelled && done.operation.info.sockets != 0) {
        events = done.operation.info.events;
    }
    if ((events & event::local_close) != 0) {  // closed without unwatch(), like a descriptor that leaves an epoll
        const auto found = sources_.find(done.fd);
        auto dropped = std::move(found->second);
        sources_.erase(found);
        return drop(std::move(dropped));
    }
    // The operation may have been for more than is requested now.
    const unsigned reported = directions_of_events(events) & done.requested;
    if (reported != 0) {
        done.requested &= ~reported;
        reports_.push_back({done.key, ready_of(events)});
    }
    if (done.requested != 0 && !is_closed_ && !start(done)) post_failure(done);
}

// ---- A tick ----

result<driver_tick> afd_driver::tick(max_wait timeout) {
    auto done = wait(timeout);
    if (!done) return done;
    for (const report& each : reports_) each.key->report(each.what);
    return done;
}

/// Waits until there is an event of a source or a wake-up, or until the time is over.
result<driver_tick> afd_driver::wait(max_wait timeout) noexcept {
    reports_.clear();
    for (sys::countdown time(alarm_.limit(timeout));; time.update()) {
        auto& entries = completions_->entries;
        const int milliseconds = sys::to_milliseconds(time.left());
        const DWORD limit = milliseconds < 0 ? INFINITE : static_cast<DWORD>(milliseconds);
        completions_->count = 0;
        if (::GetQueuedCompletionStatusEx(port_, entries.data(), static_cast<ULONG>(entries.size()),
                                          &completions_->count, limit, FALSE) == 0) {
            const DWORD error = ::GetLastError();
            completions_->count = 0;
            if (error != WAIT_TIMEOUT) return std::unexpected(sys::windows_error(error));
        }
        const driver_tick done = collect();
        if (done.events == 0 && !done.was_woken && !time.is_over()) continue;
        alarm_.reset_if_due();
        return done;
    }
}

driver_tick afd_driver::collect() noexcept {
    driver_tick done;
    if (completions_->count == 0) return done;
    const std::lock_guard guard(lock_);
    for (ULONG i = 0; i != completions_->count; ++i) {
        const OVERLAPPED_ENTRY& entry = completions_->entries[i];
        if (entry.lpCompletionKey == wake_key) {
            // acq_rel: pairs with the exchange in wake(). A wake() that finds the flag set posts nothing. The exchange
            // nevertheless makes visible what its thread has published before.
            done.was_woken = wake_is_due_.exchange(false, std::memory_order_acq_rel) || done.was_woken;
        } else {
            complete(source::of(entry.lpOverlapped));
        }
    }
    done.events = reports_.size();
    return done;
}

void afd_driver::wake() noexcept {
    // acq_rel: pairs with the exchange in collect().
    if (wake_is_due_.exchange(true, std::memory_order_acq_rel)) return;
    const std::lock_guard guard(lock_);
    if (!is_closed_) ::PostQueuedCompletionStatus(port_, 0, wake_key, nullptr);
}

void afd_driver::close() noexcept {
    const std::lock_guard guard(lock_);
    if (std::exchange(is_closed_, true) || port_ == nullptr) return;
    for (auto& [fd, watched] : sources_) drop(std::move(watched));
    sources_.clear();
    while (in_flight_ != 0) {
        auto& entries = completions_->entries;
        ULONG count = 0;
        // Each operation was cancelled. If a completion is nevertheless missing, its memory is leaked.
        constexpr DWORD longest_wait = 5000;
        if (::GetQueuedCompletionStatusEx(port_, entries.data(), static_cast<ULONG>(entries.size()), &count,
                                          longest_wait, FALSE) == 0) {
            break;
        }
        for (ULONG i = 0; i != count; ++i) {
            if (entries[i].lpCompletionKey != wake_key) complete(source::of(entries[i].lpOverlapped));
        }
    }
    for (const device& each : devices_) ::CloseHandle(each.handle);
    devices_.clear();
    ::CloseHandle(port_);
}

}  // namespace eddy::detail
