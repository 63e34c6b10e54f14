// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

/// kqueue(2) with the conventions of this library. The types of a record's fields differ from system to system.
namespace eddy::sys {

using kevent_record = struct ::kevent;

#if defined(__NetBSD__)
using kevent_count = std::size_t;
#else
using kevent_count = int;
#endif

/// Creates a kqueue. A forked child does not have it.
[[nodiscard]] inline result<unique_fd> make_kqueue() noexcept {
    auto made = own_or_error(::kqueue());
    if (made && ::fcntl(made->get(), F_SETFD, FD_CLOEXEC) != 0) return std::unexpected(last_error());
    return made;
}

[[nodiscard]] kevent_record make_record(std::uintptr_t ident, auto filter, unsigned flags, unsigned notes,
                                        void* key) noexcept {
    kevent_record made{};
    made.ident = static_cast<decltype(made.ident)>(ident);
    made.filter = static_cast<decltype(made.filter)>(filter);
    made.flags = static_cast<decltype(made.flags)>(flags);
    made.fflags = static_cast<decltype(made.fflags)>(notes);
    // SAFETY: the kernel only stores the address and returns it. NetBSD 9 declares it as an integer.
    if constexpr (std::is_pointer_v<decltype(made.udata)>) {
        made.udata = key;
    } else {
        made.udata = reinterpret_cast<decltype(made.udata)>(key);
    }
    return made;
}

[[nodiscard]] inline void* key_of(const kevent_record& event) noexcept {
    // SAFETY: see make_record().
    if constexpr (std::is_pointer_v<decltype(event.udata)>) {
        return event.udata;
    } else {
        return reinterpret_cast<void*>(event.udata);
    }
}

inline constexpr std::size_t most_kevents_at_once = 3;

/// Makes the changes, and replaces each record with its receipt.
/// Preconditions: there are at most most_kevents_at_once records.
[[nodiscard]] inline result<void> change_kevents(int queue, std::span<kevent_record> records) noexcept {
    // Copies the changes, because a repetition after EINTR needs them, and not the receipts. The repetition does no
    // harm: it adds the same filters again, and the receipt of a filter that is already removed is ENOENT.
    std::array<kevent_record, most_kevents_at_once> wishes{};
    std::ranges::copy(records, wishes.begin());
    for (kevent_record& each : wishes) each.flags |= EV_RECEIPT;
    const timespec at_once{};
    const auto count = static_cast<kevent_count>(records.size());
    const int answer =
        retry_interrupted([&] { return ::kevent(queue, wishes.data(), count, records.data(), count, &at_once); });
    if (answer < 0) return std::unexpected(last_error());
    return ok();
}

/// Returns the error of a receipt, or 0.
[[nodiscard]] inline int error_of(const kevent_record& receipt) noexcept {
    return (receipt.flags & EV_ERROR) != 0 ? static_cast<int>(receipt.data) : 0;
}

/// Makes the filter EVFILT_USER with the number `ident` report an event.
/// Preconditions: `key` is the key of the filter. Some systems replace the stored key with it.
inline void trigger_user_event([[maybe_unused]] int queue, [[maybe_unused]] std::uintptr_t ident,
                               [[maybe_unused]] void* key) noexcept {
#if defined(EVFILT_USER)
    const kevent_record triggered = make_record(ident, EVFILT_USER, 0, NOTE_TRIGGER, key);
    // EINTR: the kernel has made the change. Repeating it does no harm.
    static_cast<void>(retry_interrupted([&] { return ::kevent(queue, &triggered, 1, nullptr, 0, nullptr); }));
#endif
}

/// Waits for at most a day, because some systems refuse longer timeouts. Returns what kevent(2) returns.
[[nodiscard]] inline int wait_for_kevents(int queue, std::span<kevent_record> into,
                                          const std::optional<std::chrono::nanoseconds>& left) noexcept {
    timespec limit{};
    if (left) {
        const auto short_enough = std::min<std::chrono::nanoseconds>(*left, std::chrono::days(1));
        const auto seconds = std::chrono::floor<std::chrono::seconds>(short_enough);
        limit.tv_sec = static_cast<decltype(limit.tv_sec)>(seconds.count());
        limit.tv_nsec = static_cast<decltype(limit.tv_nsec)>((short_enough - seconds).count());
    }
    return ::kevent(queue, nullptr, 0, into.data(), static_cast<kevent_count>(into.size()), left ? &limit : nullptr);
}

}  // namespace eddy::sys
