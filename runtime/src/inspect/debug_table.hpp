// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/wait_shape.hpp>

// The format of what a program exports for readers outside: see inspect/docs/format.md. The program contains one
// debug_table, in the section `.eddy.debug`. Compilers fill it in by offsetof, so it cannot disagree with the library.
// Readers never use the library's classes, only these records.
//
// The records of this file have a fixed layout, which `format` names. The table has the offsets of everything else.
// `Pointer` is `const void*` in the program, which can be initialized at compile time, and `address` in a reader.

namespace eddy::inspect {

/// The first bytes of the table.
inline constexpr std::array<char, 16> table_magic{'e', 'd', 'd', 'y', '.', 'd', 'e', 'b',
                                                  'u', 'g', ' ', 't', 'a', 'b', 'l', 'e'};

inline constexpr std::uint16_t current_format = 1;

/// An offset of a field that the program does not have.
inline constexpr std::uint16_t no_offset = 0xffff;

/// An address in the program. The reader may be another process, so it is not a pointer.
using address = std::uint64_t;

/// The table. Offsets count from the begin of the object, in bytes. It is aligned to 128 bytes, so it is in one page.
template <class Pointer>
struct basic_debug_table {
    std::array<char, 16> magic;
    std::uint16_t format;
    std::uint16_t size;          ///< of the table; later minor versions may append fields
    std::uint16_t pointer_size;  ///< readers of this format support 8
    std::uint16_t reserved;
    std::uint16_t version[4];  ///< of the library: major, minor, patch, 0
    Pointer self;              ///< the table's own address: tells it from a copy, for example of a file in memory
    Pointer registry;          ///< of the registry_record

    // ---- A task ----
    std::uint16_t task_next;        ///< the next link of its list. A link's address is the task's
    std::uint16_t task_ops;         ///< the address of its ops
    std::uint16_t task_id;          ///< 64 bits, unique; 0 if it has none
    std::uint16_t task_spawned_at;  ///< the address of a place
    std::uint16_t task_root;        ///< the address of the outermost frame, or null; valid until the task is complete
    std::uint16_t task_started;     ///< 64 bits, whose highest 40 are the time of its spawn; may be no_offset
    // Bits of the word at executor_record::state.
    std::uint16_t running;
    std::uint16_t complete;
    std::uint16_t notified;
    std::uint16_t cancelled;
    // The ops, which are constant.
    std::uint16_t ops_name;   ///< 32 bits: the offset of the task's name, a std::string, in the task; 0 if unnamed
    std::uint16_t ops_work;   ///< 32 bits: the offset of the work in the task, for ops_shape
    std::uint16_t ops_shape;  ///< the address of the work's shape; null if the work is a coroutine

    // ---- A frame ----
    std::uint16_t frame_at;       ///< the position, see below
    std::uint16_t frame_outcome;  ///< the address of the result slot
    std::uint16_t frame_where;    ///< the address of the place at which it is suspended

    // ---- A leaf ----
    std::uint16_t leaf_ops;     ///< the address of its leaf_record
    std::uint16_t leaf_waiter;  ///< the address of the frame that awaits it
    std::uint16_t leaf_future;  ///< the address of the future

    // ---- What tasks wait for ----
    std::uint16_t socket_fd;     ///< 32 bits
    std::uint16_t permits_word;  ///< 64 bits, in a semaphore, mutex, rwlock or channel
    std::uint16_t scope_first;   ///< the address of the first scope link; the two lowest bits are a lock
    std::uint16_t scope_next;    ///< in a scope link: the next one
    std::uint16_t scope_task;    ///< in a scope link: the address of the task
    std::uint16_t string_data;   ///< in a std::string: the address of its characters; may be no_offset
    std::uint16_t string_size;   ///< in a std::string: 64 bits
    // Bits of the word at executor_record::remote_state, and a byte of the ops: whose task it is.
    std::uint16_t joined;      ///< it has a join handle
    std::uint16_t background;  ///< the program may end before it
    std::uint16_t ops_owned;   ///< 1: it is a child of a scope; may be no_offset
    std::uint16_t more[3];     ///< 0
};
using debug_table = basic_debug_table<address>;
static_assert(sizeof(debug_table) == 112);

// The position of a frame (debug_table::frame_at): an address plus, in the two lowest bits:
//
//     0   the root, another frame. Null, or 1: the coroutine was not started
//     1   the leaf that the innermost frame awaits
//     2   the innermost frame, which any wake-up resumes
//     3   the stack is being polled; the address is of no use outside
enum class position : std::uint8_t { below, waits, resumes, polled };

/// The time of a spawn (debug_table::task_started): which bits it has, and its unit in ns of CLOCK_MONOTONIC. 0:
/// unknown.
inline constexpr unsigned started_first_bit = 24;
inline constexpr std::uint64_t started_unit = std::uint64_t{1} << 20;

/// The number of bytes from the result slot of a frame to the address of the frame that awaits it, except at the root.
inline constexpr std::int64_t awaiting_before_slot = -8;

/// The list of executors. Its writers hold a lock. The sequence is odd while the list changes.
template <class Pointer>
struct basic_registry_record {
    std::uint64_t sequence;
    Pointer first;  ///< the first executor_record, or null
};
using registry_record = basic_registry_record<address>;

/// `blocking`: the blocking work of the pool with the same id.
enum class executor_kind : std::uint32_t { pool, loop, local_set, blocking };

/// An executor: `list_count` rings of tasks, with a distance of `stride` bytes. `added` and `removed` count the changes
/// of a ring; each counter changes after the ring and before the task is freed. So a ring that was read between two
/// reads of the counters with equal values was read without an intermediate change.
template <class Pointer>
struct basic_executor_record {
    Pointer next;
    executor_kind kind;
    std::uint32_t list_count;
    std::uint64_t id;
    Pointer rings;    ///< the first ring's head, a link
    Pointer added;    ///< 64 bits
    Pointer removed;  ///< 64 bits
    std::uint64_t stride;
    std::uint32_t state;         ///< the offset of the state word of its tasks
    std::uint32_t remote_state;  ///< of the word with the wake-ups of other threads; may be the same
};
using executor_record = basic_executor_record<address>;
static_assert(sizeof(executor_record) == 64);

/// A place: the compiler's record behind a std::source_location.
template <class Pointer>
struct basic_place_record {
    Pointer file;
    Pointer function;
    std::uint32_t line;
    std::uint32_t column;
};
using place_record = basic_place_record<address>;
static_assert(sizeof(place_record) == 24);

/// The constant part of a leaf. The first word is for the library.
template <class Pointer>
struct basic_leaf_record {
    Pointer ask;
    Pointer shape;  ///< of the awaited future; may be null
};
using leaf_record = basic_leaf_record<address>;
static_assert(sizeof(leaf_record) == 16);

using shape_record = basic_shape_record<address>;
static_assert(sizeof(shape_record) == 24);
using child_record = basic_child_record<address>;
static_assert(sizeof(child_record) == 40);

}  // namespace eddy::inspect
