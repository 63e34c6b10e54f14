// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

// What the flight recorder keeps: 16 bytes an event, in a ring buffer for each worker and each event loop.

namespace eddy::trace {

enum class event_kind : std::uint8_t {
    none,        ///< never recorded
    spawn,       ///< `task` was spawned by the worker. A place and names of the task may follow
    place,       ///< where the task of the spawn before was spawned: a call site
    name,        ///< 15 bytes of the name of the task of the spawn before
    poll_begin,  ///< the worker polls `task`
    poll_end,    ///< the poll of `task` has ended; `detail` is 1 if the task has
    wake,        ///< `task` was woken: it waits for a worker
    steal,       ///< the worker has taken `task` from the worker `detail`
    park,        ///< the worker begins to wait
    unpark,      ///< the worker has waited
    io_event,    ///< a driver tick has found events; `detail` is their number
    timer,       ///< timers have fired; `detail` is their number
    stall,       ///< `task` is polled for long; `detail` is the number of milliseconds
};

/// An event: two words, so that a ring can store them by plain stores.
///
///     kind           subject                                  word, from the low end
///     place          the address of the call site             8 bits kind
///     name           8 bytes of the name                      8 bits kind, 7 bytes of the name
///     all others     48 bits task, 16 bits detail             8 bits kind, 56 bits ticks
struct event {
    std::uint64_t subject = 0;
    std::uint64_t word = 0;

    static constexpr std::uint64_t most_detail = 0xffff;
    static constexpr int task_bits = 48;
    static constexpr std::uint64_t task_mask = (std::uint64_t{1} << task_bits) - 1;
    static constexpr std::size_t name_bytes = 15;

    /// `ticks`: of sys::ticks().
    static constexpr event make(event_kind kind, std::uint64_t task, std::uint64_t detail,
                                std::uint64_t ticks) noexcept {
        const std::uint64_t short_detail = detail < most_detail ? detail : most_detail;
        return {(task & task_mask) | short_detail << task_bits, static_cast<std::uint64_t>(kind) | ticks << 8};
    }
    static constexpr event place(std::uint64_t call_site) noexcept {
        return {call_site, static_cast<std::uint64_t>(event_kind::place)};
    }
    /// The first `name_bytes` bytes of a name. A shorter name ends with zeros.
    static event name(std::string_view text) noexcept {
        event made{0, static_cast<std::uint64_t>(event_kind::name)};
        for (std::size_t i = 0; i < name_bytes && i < text.size(); ++i) {
            const std::uint64_t byte = static_cast<unsigned char>(text[i]);
            i < 8 ? made.subject |= byte << (8 * i) : made.word |= byte << (8 * (i - 7));
        }
        return made;
    }

    [[nodiscard]] constexpr event_kind kind() const noexcept { return static_cast<event_kind>(word & 0xff); }
    [[nodiscard]] constexpr std::uint64_t task() const noexcept { return subject & task_mask; }
    [[nodiscard]] constexpr std::uint64_t detail() const noexcept { return subject >> task_bits; }
    [[nodiscard]] constexpr std::uint64_t ticks() const noexcept { return word >> 8; }
    [[nodiscard]] std::array<char, name_bytes> text() const noexcept {
        std::array<char, name_bytes> bytes;
        for (std::size_t i = 0; i < name_bytes; ++i)
            bytes[i] = static_cast<char>(i < 8 ? subject >> (8 * i) : word >> (8 * (i - 7)));
        return bytes;
    }
};
static_assert(sizeof(event) == 16);

/// The task that the last events of a track have spawned, with its place and name.
struct spawned {
    std::uint64_t task = 0;
    std::uint64_t place = 0;
    std::array<char, 3 * event::name_bytes> text{};
    std::size_t size = 0;

    /// Adds the next event. Returns whether it belongs to the spawn; if not, this object is complete.
    bool add(const event& next) noexcept {
        switch (next.kind()) {
        case event_kind::place: place = next.subject; return true;
        case event_kind::name: {
            const auto bytes = next.text();
            if (size + bytes.size() > text.size()) return true;
            std::memcpy(text.data() + size, bytes.data(), bytes.size());
            size += bytes.size();
            return true;
        }
        default: return false;
        }
    }
    [[nodiscard]] std::string_view name() const noexcept {
        const std::string_view all(text.data(), size);
        return all.substr(0, all.find('\0'));
    }
};

/// How the ticks of events become times of CLOCK_MONOTONIC: the line through two readings of both clocks.
struct time_scale {
    std::uint64_t ticks = 0;  ///< of the first reading
    std::uint64_t ns = 0;     ///< of the first reading
    double ns_per_tick = 1;

    /// Returns the ticks from the first reading to the event.
    [[nodiscard]] std::uint64_t ticks_until(const event& one) const noexcept {
        return (one.ticks() - ticks) << 8 >> 8;  // an event has the low 56 bits
    }
    [[nodiscard]] std::uint64_t time_of(const event& one) const noexcept {
        return ns + static_cast<std::uint64_t>(static_cast<double>(ticks_until(one)) * ns_per_tick);
    }
};

/// The name of a task: of its builder, or where it was spawned.
struct task_label {
    std::uint64_t task;
    std::string_view text;
    /// time_scale::ticks_until() the spawn, if tasks have had this number one after the other.
    std::uint64_t since = 0;
};

}  // namespace eddy::trace
