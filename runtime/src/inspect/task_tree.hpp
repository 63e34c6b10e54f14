// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inspect/debug_table.hpp"

// What a walk has found, as plain data. Places and texts are constants of the program, so many tasks share them: the
// tree owns them, and the rest refers to them.

namespace eddy::inspect {

struct place {
    std::string file;      ///< empty if the place is unknown
    std::string function;  ///< its name
    std::uint32_t line = 0;

    bool operator==(const place&) const = default;
};

/// Returns the row of a kind; of one that this reader does not know, a row that says so.
constexpr wait_kind_row row_of(wait_kind kind) noexcept {
    const auto number = static_cast<std::size_t>(kind);
    if (number < std::size(wait_kinds)) return wait_kinds[number];
    return {kind, wait_word::object, "a future of a kind that this reader does not know"};
}

struct branch;

/// A task for which another one waits. Those without an id are named by their address.
struct task_number {
    std::uint64_t id = 0;
    address at = 0;
};

/// What the innermost frame, or a future without a frame, waits for.
struct waiting {
    wait_kind kind = wait_kind::other;
    std::string_view type;                 ///< the future's type; empty if unknown
    address object = 0;                    ///< the word of its kind; a time for a timer
    std::optional<int> fd;                 ///< readable, writable
    std::vector<task_number> tasks;        ///< join, scope
    std::optional<std::uint64_t> permits;  ///< a semaphore or channel: the number that is free
    std::vector<branch> branches;          ///< the futures that it polls in turn
};

/// A virtual stack, or a future without one.
struct stack {
    enum class status : std::uint8_t {
        waits,        ///< `leaf` says for what
        not_started,  ///< it was never polled, or waits for any wake-up at its outermost frame
        polled,       ///< it is being polled, so it has no frames here
        unreadable,   ///< its memory is damaged
    };

    status is = status::waits;
    std::vector<const place*> frames;  ///< the outermost first
    waiting leaf;
};

struct branch {
    std::string_view label;
    stack of;
};

enum class task_status : std::uint8_t { waits, queued, running };

struct task {
    address at = 0;
    std::uint64_t id = 0;  ///< 0 if it has none
    std::string name;
    task_status is = task_status::waits;
    bool is_cancelled = false;
    bool is_detached = false;              ///< it has no join handle and no scope, and is no background task
    std::optional<std::uint64_t> started;  ///< in ns of CLOCK_MONOTONIC
    const place* spawned_at = nullptr;
    stack work;
};

struct executor {
    executor_kind kind = executor_kind::pool;
    std::uint64_t id = 0;
    std::vector<task> tasks;  ///< the newest of each list first
};

struct task_tree {
    std::string version;  ///< of eddy: "0.1.0"
    std::vector<executor> executors;
    bool has_all_tasks = true;          ///< no list of tasks or executors was too long, damaged, or changed each time
    std::vector<std::string> problems;  ///< sentences about what could not be read

    std::deque<place> places;  ///< without duplicates
    std::unordered_map<address, std::string> texts;
};

}  // namespace eddy::inspect
