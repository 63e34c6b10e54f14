// SPDX-License-Identifier: MIT
#include <eddy/sys/poll.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

#include <eddy/error.hpp>

#include "sys/countdown.hpp"
#include "sys/fd.hpp"
#include "sys/fork.hpp"
#include "sys/kevents.hpp"
#include "sys/syscall.hpp"

// sys::poll on kqueue(2). Each condition of a source (readable, writable, priority) has a filter of its own. So a wait
// may return several events with the token of one source.

namespace eddy::sys {

using std::chrono::nanoseconds;

/// Makes events.
struct event_layout {
    static event make(token name, std::uint32_t bits) noexcept {
        event made;
        made.bits_ = bits;
        made.data_ = std::bit_cast<std::array<std::uint32_t, 2>>(name.value);
        return made;
    }
    static constexpr std::uint32_t in = event::in;
    static constexpr std::uint32_t pri = event::pri;
    static constexpr std::uint32_t out = event::out;
    static constexpr std::uint32_t err = event::err;
    static constexpr std::uint32_t hup = event::hup;
    static constexpr std::uint32_t rdhup = event::rdhup;
};

namespace {

// ---- Waiting ----

token token_of(const kevent_record& event) noexcept {
    // SAFETY: key_of(token) made the pointer from a number. It is not dereferenced.
    return {reinterpret_cast<std::uintptr_t>(key_of(event))};
}

std::uint32_t bits_of(const kevent_record& event) noexcept {
    using bits = event_layout;
    const bool is_over = (event.flags & EV_EOF) != 0;
    const std::uint32_t error = is_over && event.fflags != 0 ? bits::err : 0;
    if (event.filter == EVFILT_READ) return bits::in | (is_over ? bits::rdhup : 0) | error;
    // The peer receives no more data.
    if (event.filter == EVFILT_WRITE) return bits::out | (is_over ? bits::err : 0);
#if defined(EVFILT_EXCEPT)
    if (event.filter == EVFILT_EXCEPT) return bits::pri;
#endif
    return bits::in;  // a waker
}

// ---- Registering ----

/// A filter, and whether an interest includes it.
struct wish {
    std::intmax_t filter;
    unsigned notes;
    bool is_wanted;
    bool may_fail;  // not every kind of descriptor has out-of-band data
};

#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
constexpr bool has_priority = true;
using wishes = std::array<wish, 3>;
wishes wishes_for(io::interest wanted) noexcept {
    return {{{EVFILT_READ, 0, wanted.is_readable(), false},
             {EVFILT_WRITE, 0, wanted.is_writable(), false},
             {EVFILT_EXCEPT, NOTE_OOB, wanted.is_priority(), wanted != io::interest::priority}}};
}
#else
constexpr bool has_priority = false;
using wishes = std::array<wish, 2>;
wishes wishes_for(io::interest wanted) noexcept {
    return {{{EVFILT_READ, 0, wanted.is_readable(), false}, {EVFILT_WRITE, 0, wanted.is_writable(), false}}};
}
#endif
static_assert(std::tuple_size_v<wishes> <= most_kevents_at_once);

void* key_of(token name) noexcept {
    static_assert(sizeof(void*) == sizeof name.value, "a kqueue stores only pointers");
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(name.value));
}

/// Makes the changes for which `flags_of` returns flags, and returns how many had an effect.
/// Errors: the first error that is not `tolerated`, of a change whose `may_fail` is false.
template <class FlagsOf>
result<std::size_t> change(int queue, int fd, token name, const wishes& all, int tolerated, FlagsOf flags_of) noexcept {
    std::array<kevent_record, most_kevents_at_once> records{};
    std::array<bool, most_kevents_at_once> may_fail{};
    std::size_t count = 0;
    for (const wish& each : all) {
        const unsigned flags = flags_of(each);
        if (flags == 0) continue;
        may_fail[count] = each.may_fail;
        records[count++] = make_record(static_cast<std::uintptr_t>(fd), each.filter, flags, each.notes, key_of(name));
    }
    const auto receipts = std::span(records).first(count);
    if (auto changed = change_kevents(queue, receipts); !changed) return std::unexpected(changed.error());
    std::size_t made = 0;
    for (std::size_t i = 0; i != count; ++i) {
        const int error = error_of(records[i]);
        if (error == 0) {
            ++made;
        } else if (error != tolerated && !may_fail[i]) {
            return std::unexpected(std::error_code(error, std::generic_category()));
        }
    }
    return made;
}

/// Returns whether the descriptor has a filter in this queue. EV_ENABLE changes nothing: no filter is ever disabled.
result<bool> is_registered(int queue, int fd, token name) noexcept {
    const auto found = change(queue, fd, name, wishes_for(io::interest::readable), ENOENT,
                              [](const wish&) -> unsigned { return EV_ENABLE; });
    if (!found) return std::unexpected(found.error());
    return *found != 0;
}

result<void> set_filters(int queue, int fd, token name, io::interest wanted) noexcept {
    const auto all = wishes_for(wanted);
    const auto added = change(queue, fd, name, all, 0,
                              [](const wish& each) -> unsigned { return each.is_wanted ? EV_ADD | EV_CLEAR : 0; });
    if (!added) return std::unexpected(added.error());
    const auto removed = change(queue, fd, name, all, ENOENT,
                                [](const wish& each) -> unsigned { return each.is_wanted ? 0 : EV_DELETE; });
    if (!removed) return std::unexpected(removed.error());
    return ok();
}

std::error_code code_of(std::errc error) noexcept { return std::make_error_code(error); }

/// Errors: not_supported if the system has no filter for the interest, so that it would never cause an event.
result<void> check_has_filter(io::interest wanted) noexcept {
    if (!has_priority && wanted == io::interest::priority) return std::unexpected(code_of(std::errc::not_supported));
    return ok();
}

}  // namespace

events::events(std::size_t capacity, std::source_location where) : buffer_(capacity) {
    if (capacity == 0) throw misuse("sys::events(0) cannot store any event: use a capacity of at least 1", where);
}

result<void> registry::add(int fd, token name, io::interest wanted) const noexcept {
    if (auto checked = check_pollable(fd); !checked) return checked;
    if (auto checked = check_has_filter(wanted); !checked) return checked;
    const auto is_there = is_registered(poll_fd_, fd, name);
    if (!is_there) return std::unexpected(is_there.error());
    if (*is_there) return std::unexpected(code_of(std::errc::file_exists));
    auto done = set_filters(poll_fd_, fd, name, wanted);
    if (!done) static_cast<void>(remove(fd));
    return done;
}

result<void> registry::modify(int fd, token name, io::interest wanted) const noexcept {
    const auto is_there = is_registered(poll_fd_, fd, name);
    if (!is_there) return std::unexpected(is_there.error());
    if (!*is_there) return std::unexpected(code_of(std::errc::no_such_file_or_directory));
    if (auto checked = check_has_filter(wanted); !checked) return checked;
    return set_filters(poll_fd_, fd, name, wanted);
}

result<void> registry::remove(int fd) const noexcept {
    const auto removed = change(poll_fd_, fd, token{}, wishes_for(io::interest::readable), ENOENT,
                                [](const wish&) -> unsigned { return EV_DELETE; });
    if (!removed) return std::unexpected(removed.error());
    if (*removed == 0) return std::unexpected(code_of(std::errc::no_such_file_or_directory));
    return ok();
}

poll::poll() : poll(-1) {
    auto made = make();
    if (!made) throw std::system_error(made.error(), "kqueue");
    fd_ = std::exchange(made->fd_, -1);
}

poll::poll(int fd) noexcept : fd_(fd), fork_generation_(fork_generation()) {}

result<poll> poll::make() noexcept {
    auto made = make_kqueue();
    if (!made) return std::unexpected(made.error());
    return poll(made->release());
}

poll::~poll() {
    // A forked child does not have the kqueue, and the number may belong to another file.
    if (fork_generation_ == fork_generation()) close(fd_);
}

result<std::size_t> poll::wait(events& into, std::optional<nanoseconds> timeout) {
    into.clear();
    std::array<kevent_record, 64> records;
    const auto room = std::span(records).first(std::min(into.capacity(), records.size()));
    for (countdown time(timeout);;) {
        const int count = wait_for_kevents(fd_, room, time.left());
        if (count < 0 && errno != EINTR) return std::unexpected(last_error());
        if (count > 0) {
            const auto fetched = room.first(static_cast<std::size_t>(count));
            std::ranges::transform(fetched, into.buffer_.begin(), [](const kevent_record& each) {
                return event_layout::make(token_of(each), bits_of(each));
            });
            return into.size_ = fetched.size();
        }
        time.update();
        if (time.is_over()) return 0;
    }
}

// A waker is a filter EVFILT_USER. It owns a duplicate of the kqueue's descriptor. The number of that duplicate
// identifies the filter in the kqueue, so each waker has a number of its own.

result<waker> waker::make(const sys::registry& where, token name) noexcept {
#if defined(EVFILT_USER)
    auto own = own_or_error(::fcntl(where.poll_fd_, F_DUPFD_CLOEXEC, 0));
    if (!own) return std::unexpected(own.error());
    std::array added{
        make_record(static_cast<std::uintptr_t>(own->get()), EVFILT_USER, EV_ADD | EV_CLEAR, 0, key_of(name))};
    if (auto changed = change_kevents(own->get(), added); !changed) return std::unexpected(changed.error());
    if (const int error = error_of(added[0])) return std::unexpected(std::error_code(error, std::generic_category()));
    return waker(where, own->release(), name);
#else
    static_cast<void>(where);
    static_cast<void>(name);
    return std::unexpected(code_of(std::errc::not_supported));
#endif
}

waker::waker(const sys::registry& where, int fd, token name) noexcept
    : registry_(where), fd_(fd), fork_generation_(fork_generation()), name_(name) {}

waker::~waker() {
    // A forked child does not have the kqueue, and the number may belong to another file.
    if (fd_ < 0 || fork_generation_ != fork_generation()) return;
#if defined(EVFILT_USER)
    std::array removed{make_record(static_cast<std::uintptr_t>(fd_), EVFILT_USER, EV_DELETE, 0, nullptr)};
    static_cast<void>(change_kevents(fd_, removed));
#endif
    close(fd_);
}

result<void> waker::wake() const noexcept {
    if (fd_ < 0) return std::unexpected(code_of(std::errc::bad_file_descriptor));
    trigger_user_event(fd_, static_cast<std::uintptr_t>(fd_), key_of(name_));
    return ok();
}

}  // namespace eddy::sys
