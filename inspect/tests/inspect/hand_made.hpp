// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <source_location>
#include <string>
#include <vector>

#include "inspect/debug_table.hpp"

// Objects in the format of a debug table, made by hand: what a program with tasks has in its memory. The classes have
// gaps and orders that the library does not have, so a reader that assumes an offset fails.

namespace hand_made {

using namespace eddy::inspect;

using shape = basic_shape_record<const void*>;
using child = basic_child_record<const void*>;

struct frame {
    std::uint64_t unused[3];  // as the compiler's part of a coroutine frame
    std::uintptr_t at;
    void* slot;
    const void* where;
};

struct leaf {
    const void* ops;
    frame* waiter;
    const void* future;
};

/// The constant part of a leaf.
struct leaf_ops {
    const void* ask;
    const shape* of;
};
static_assert(sizeof(leaf_ops) == sizeof(leaf_record));

struct task_ops {
    void* functions[4];
    std::uint32_t name;
    std::uint32_t work;
    const shape* of_work;
};

struct link {
    link* previous = nullptr;
    link* next = nullptr;
};

/// The words that a future for a sleep, a read, a lock or a join has.
struct future {
    std::uint64_t before = 0;
    std::uint64_t word = 0;
};

struct socket {
    std::uint64_t before = 0;
    std::int32_t fd = -1;
};

struct task {
    link in_list;
    std::uint64_t unused = 0;
    const task_ops* ops;
    std::uint64_t state = 0;
    std::uint64_t id;
    const void* spawned_at;
    std::uint64_t started = 0x00ff00;  // the low bits are something else
    frame* root = nullptr;
    std::string name;
    future work;

    void set_started(std::uint64_t units) { started |= units << started_first_bit; }
};

struct lock {
    std::uint64_t before = 0;
    std::uint64_t word = 0;
};

/// A list as a program's: `added` and `removed` count its changes.
struct list {
    link ring{&ring, &ring};
    std::uint64_t gap = 0;
    volatile std::uint64_t added = 0;
    volatile std::uint64_t removed = 0;

    void push(task& one) noexcept {
        one.in_list = {&ring, ring.next};
        ring.next->previous = &one.in_list;
        ring.next = &one.in_list;
        added = added + 1;
    }
    void remove(task& one) noexcept {
        one.in_list.previous->next = one.in_list.next;
        one.in_list.next->previous = one.in_list.previous;
        removed = removed + 1;
    }
};

inline constexpr std::uint64_t running = 1, complete = 2, notified = 4, cancelled = 8;

inline basic_registry_record<const void*> registry{};

/// The table, as the library exports it.
[[gnu::section(".eddy.debug"), gnu::used]] alignas(128) inline constinit basic_debug_table<const void*> table{
    .magic = table_magic,
    .format = current_format,
    .size = sizeof(debug_table),
    .pointer_size = sizeof(void*),
    .reserved = 0,
    .version = {0, 1, 0, 0},
    .self = &table,
    .registry = &registry,
    .task_next = offsetof(task, in_list.next),
    .task_ops = offsetof(task, ops),
    .task_id = offsetof(task, id),
    .task_spawned_at = offsetof(task, spawned_at),
    .task_root = offsetof(task, root),
    .task_started = offsetof(task, started),
    .running = running,
    .complete = complete,
    .notified = notified,
    .cancelled = cancelled,
    .ops_name = offsetof(task_ops, name),
    .ops_work = offsetof(task_ops, work),
    .ops_shape = offsetof(task_ops, of_work),
    .frame_at = offsetof(frame, at),
    .frame_outcome = offsetof(frame, slot),
    .frame_where = offsetof(frame, where),
    .leaf_ops = offsetof(leaf, ops),
    .leaf_waiter = offsetof(leaf, waiter),
    .leaf_future = offsetof(leaf, future),
    .socket_fd = offsetof(socket, fd),
    .permits_word = offsetof(lock, word),
    .scope_first = 0,
    .scope_next = 0,
    .scope_task = 8,
    .string_data = 0,
    .string_size = 8,
    .joined = 16,
    .background = 32,
    .ops_owned = no_offset,
    .more = {},
};

inline const void* place(std::source_location where = std::source_location::current()) noexcept {
    return __builtin_bit_cast(const void*, where);
}

inline const task_ops unnamed{{}, 0, 0, nullptr};
inline const task_ops named{{}, offsetof(task, name), 0, nullptr};

inline const shape timer_shape{"time::sleep_future", wait_kind::timer, 0, 0, offsetof(future, word), nullptr};
inline const shape read_shape{"net::read_future", wait_kind::readable, 0, 0, offsetof(future, word), nullptr};
inline const shape mutex_shape{"sync::lock_future", wait_kind::mutex, 0, 0, offsetof(future, word), nullptr};
inline const shape join_shape{"join_handle", wait_kind::join, 0, 0, offsetof(future, word), nullptr};
inline const shape task_shape{"task", wait_kind::frames, 0, 0, offsetof(future, word), nullptr};
inline const shape other_shape{"a_future_of_the_program", wait_kind::other, 0, 0, 0, nullptr};

/// A future of two others; the second one may be absent.
struct pair {
    future first;
    future second;
    std::uint8_t has_second = 1;
};
inline const child pair_children[] = {
    {&timer_shape, "timer", offsetof(pair, first), child_record::always, 0, 0, 0, 0},
    {&task_shape, "future", offsetof(pair, second), offsetof(pair, has_second), 1, 0, 0, 0},
};
inline const shape pair_shape{"timeout_future", wait_kind::any_of, 2, 0, 0, pair_children};

/// A future of an array of others.
struct many {
    std::uint64_t before = 0;
    pair* begin = nullptr;
    pair* end = nullptr;
};
inline const child many_children[] = {
    {&timer_shape, nullptr, offsetof(many, begin), offsetof(pair, has_second), 1, child::array, sizeof(pair), 0}};
inline const shape many_shape{"join_all_future", wait_kind::all_of, 1, 0, 0, many_children};

/// A future of a list of others.
struct list_node {
    std::uint64_t before = 0;
    list_node* next = nullptr;
    pair value;
};
struct chained {
    std::uint64_t before = 0;
    list_node* first = nullptr;
};
inline const child chained_children[] = {{&timer_shape, nullptr, offsetof(chained, first),
                                          offsetof(list_node, value.has_second), 1, child::list,
                                          offsetof(list_node, next), offsetof(list_node, value)}};
inline const shape chained_shape{"futures_unordered", wait_kind::any_of, 1, 0, 0, chained_children};

/// A scope with links to its tasks.
struct scope_link {
    scope_link* next = nullptr;
    task* child = nullptr;
};
struct scope {
    std::uintptr_t first = 0;
};
inline const shape scope_shape{"scope_future", wait_kind::scope, 0, 0, offsetof(future, word), nullptr};

/// A program's objects. They stay where they are.
class world {
public:
    explicit world(std::uint32_t lists = 1) : lists_(lists) {
        record_ = {nullptr,
                   executor_kind::pool,
                   lists,
                   7,
                   &lists_[0].ring,
                   const_cast<std::uint64_t*>(&lists_[0].added),
                   const_cast<std::uint64_t*>(&lists_[0].removed),
                   sizeof(list),
                   offsetof(task, state),
                   offsetof(task, state)};
        registry = {0, &record_};
    }
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world() { registry = {}; }

    task& add(const void* spawned_at, frame* root = nullptr, std::string name = {}) {
        task& made = tasks_.emplace_back();
        made.set_started(++last_id_);  // a task is older than the ones after it
        made.ops = name.empty() ? &unnamed : &named;
        made.name = std::move(name);
        made.id = last_id_;
        made.spawned_at = spawned_at;
        made.root = root;
        lists_[made.id % lists_.size()].push(made);
        return made;
    }

    /// Makes a stack of frames, suspended at these places; the outermost first. The innermost one awaits a future.
    frame& stack(const std::vector<const void*>& places, const shape& of, const void* awaited) {
        frame* outer = nullptr;
        frame* root = nullptr;
        for (const void* const where : places) {
            frame& made = frames_.emplace_back();
            made.where = where;
            if (outer != nullptr) {
                made.at = reinterpret_cast<std::uintptr_t>(root);
                frame*& before_slot = slots_.emplace_back(outer);
                made.slot = &before_slot + 1;
            } else {
                root = &made;
            }
            outer = &made;
        }
        leaf_ops& ops = ops_.emplace_back(leaf_ops{nullptr, &of});
        root->at = reinterpret_cast<std::uintptr_t>(&leaves_.emplace_back(leaf{&ops, outer, awaited})) + 1;
        return *root;
    }

    /// Makes a future with a word.
    future& make(std::uint64_t word) { return futures_.emplace_back(future{0, word}); }
    future& make(const void* word) { return make(reinterpret_cast<std::uint64_t>(word)); }

    list& of(std::size_t index) { return lists_[index]; }
    basic_executor_record<const void*>& record() { return record_; }

private:
    std::vector<list> lists_;
    basic_executor_record<const void*> record_;
    std::uint64_t last_id_ = 0;
    std::deque<task> tasks_;
    std::deque<frame> frames_;
    std::deque<frame*> slots_;
    std::deque<leaf> leaves_;
    std::deque<leaf_ops> ops_;
    std::deque<future> futures_;
};

/// What the test programs show: tasks of all kinds.
class example {
public:
    example() {
        world_.add(place(), nullptr, "keeper");
        server_ = place();
        for (int i = 0; i < 3; ++i)
            world_.add(server_, &world_.stack({in_serve(), in_read_head()}, read_shape, &world_.make(&socket_)));
        task& locked =
            world_.add(place(), &world_.stack({in_serve()}, mutex_shape, &world_.make(&held_)), "a locked one");
        world_.add(place(), &world_.stack({in_serve()}, join_shape, &world_.make(&locked)));
        frame& inner = world_.stack({in_read_head()}, read_shape, &world_.make(&socket_));
        pair_.first.word = 5'000'000'000;
        pair_.second.word = reinterpret_cast<std::uint64_t>(&inner);
        world_.add(place(), &world_.stack({in_serve()}, pair_shape, &pair_));
        world_.add(place(), &world_.stack({in_serve()}, other_shape, &pair_)).state = running;
    }

    static const void* in_serve() { return place(); }
    static const void* in_read_head() { return place(); }
    [[nodiscard]] world& objects() { return world_; }

private:
    world world_{2};
    const void* server_;
    lock held_;
    socket socket_{0, 1};
    pair pair_;
};

}  // namespace hand_made
