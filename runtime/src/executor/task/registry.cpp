// SPDX-License-Identifier: MIT
#include "executor/task/registry.hpp"

#include <algorithm>
#include <mutex>
#include <string>

#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/net/detail/socket_registration.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>
#include <eddy/task/detail/scope_base.hpp>

#include "executor/task/spawn_time.hpp"
#include "executor/task/task_state.hpp"
#include "sys/fork.hpp"
#include "sys/static_mutex.hpp"

namespace eddy::detail {
namespace {

constexpr std::uint16_t version[] = {0, 1, 0};  // tools/check_version.py compares it with CMakeLists.txt

constinit sys::static_mutex<std::mutex> registry_lock;
constinit inspect::basic_registry_record<const void*> registry{};

/// Marks the list of executors as changing.
class registry_change : immovable {
public:
    registry_change() noexcept {
        // relaxed, and then release: the fence orders the odd number before the changes.
        __atomic_store_n(&registry.sequence, registry.sequence + 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    ~registry_change() { __atomic_store_n(&registry.sequence, registry.sequence + 1, __ATOMIC_RELEASE); }

private:
    const std::lock_guard<sys::static_mutex<std::mutex>> guard_{registry_lock};
};

/// A child process may create executors.
[[maybe_unused]] const bool held_during_forks = sys::hold_during_forks<registry_lock>([] { registry.first = nullptr; });

}  // namespace

/// Has access to the members whose offsets are in the table.
struct debug_offsets {
    static constexpr inspect::basic_debug_table<const void*> table() noexcept;
};
constexpr inspect::basic_debug_table<const void*> debug_offsets::table() noexcept {
    inspect::basic_debug_table<const void*> made{};
    made.magic = inspect::table_magic;
    made.format = inspect::current_format;
    made.size = sizeof made;
    made.pointer_size = sizeof(void*);
    std::ranges::copy(version, made.version);
    made.registry = &registry;

    made.task_next = offset_of<spawned_task>(&spawned_task::next);
    made.task_ops = offset_of<spawned_task>(&spawned_task::table);
    made.task_id = offset_of<spawned_task>(&spawned_task::id);
    made.task_spawned_at = offset_of<spawned_task>(&spawned_task::spawned_at);
    made.task_root = sizeof(spawned_task) + sizeof(void*);  // root_word()
    made.task_started = spawn_time::is_stored ? sizeof(spawned_task) : inspect::no_offset;
    made.running = task_flags::running;
    made.complete = task_flags::complete;
    made.notified = task_flags::notified;
    made.cancelled = task_flags::cancelled;
    made.ops_name = offset_of<spawned_ops>(&spawned_ops::name_offset);
    made.ops_work = offset_of<spawned_ops>(&spawned_ops::work_offset);
    made.ops_shape = offset_of<spawned_ops>(&spawned_ops::work_shape);

    made.frame_at = offset_of<frame>(&frame::at);
    made.frame_outcome = offset_of<frame>(&frame::outcome);
    made.frame_where = offset_of<frame>(&frame::where);

    made.leaf_ops = offset_of<leaf>(&leaf::ops);
    static_assert(sizeof(leaf) == 3 * sizeof(void*));
    made.leaf_waiter = sizeof(void*);  // a reference, to which no pointer to a member leads
    made.leaf_future = offset_of<leaf>(&leaf::awaited);

    made.socket_fd = offset_of<socket_registration>(&socket_registration::fd_);
    made.permits_word = offset_of<permit_state>(&permit_state::word_);
    made.scope_first = offset_of<scope_base>(&scope_base::children_);
    made.scope_next = offset_of<scope_link>(&scope_link::next);
    made.scope_task = offset_of<scope_link>(&scope_link::task);
#ifdef __GLIBCXX__
    made.string_data = 0;
    made.string_size = sizeof(void*);
#else
    made.string_data = made.string_size = inspect::no_offset;
#endif
    made.joined = task_flags::join_interest;
    made.background = task_flags::background;
    made.ops_owned = offset_of<spawned_ops>(&spawned_ops::is_owned);
    return made;
}

/// The state word of a task, and of an event loop's task, which only the thread of the loop changes.
static constexpr std::uint32_t shared_state = offset_of<spawned_task>(&spawned_task::state);
static constexpr std::uint32_t local_state = offset_of<spawned_task>(&spawned_task::local);

// Readers support programs of 64 bits only.
static_assert(sizeof(void*) != 8 || sizeof(leaf_ops) == sizeof(inspect::leaf_record));

// A section of its own is for debuggers and scripts. Other object formats have other rules for the names of sections.
#ifdef __ELF__
#define EDDY_DEBUG_SECTION [[gnu::section(".eddy.debug"), gnu::used, gnu::retain]]
#else
#define EDDY_DEBUG_SECTION [[gnu::used]]
#endif

EDDY_DEBUG_SECTION alignas(128) constinit inspect::basic_debug_table<const void*> debug_table = [] {
    auto made = debug_offsets::table();
    made.self = &debug_table;
    return made;
}();

inspect::address address_of_debug_table() noexcept {
    // SAFETY: the address is only a number for readers.
    return reinterpret_cast<std::uintptr_t>(&debug_table);
}

listed_executor::listed_executor(inspect::executor_kind kind, std::uint64_t id, listed_ring first, std::size_t count,
                                 std::size_t stride) noexcept
    : record_{nullptr,
              kind,
              static_cast<std::uint32_t>(count),
              id,
              first.ring,
              first.added,
              first.removed,
              stride,
              kind == inspect::executor_kind::loop ? local_state : shared_state,
              shared_state} {
    const registry_change guard;
    record_.next = registry.first;
    if (next() != nullptr) next()->previous_ = this;
    registry.first = this;
}

listed_executor::~listed_executor() {
    if (listed_in_.is_from_parent()) return;
    const registry_change guard;
    if (next() != nullptr) next()->previous_ = previous_;
    (previous_ == nullptr ? registry.first : previous_->record_.next) = record_.next;
}

void listed_executor::show_metrics_of(executor& one) noexcept {
    const std::lock_guard guard(registry_lock);
    measured_ = &one;
}

void visit_executors(void (*visit)(executor& one, void* argument), void* argument) {
    const std::lock_guard guard(registry_lock);
    // SAFETY: as in next().
    for (auto* one = static_cast<listed_executor*>(const_cast<void*>(registry.first)); one != nullptr;
         one = one->next())
        if (one->measured_ != nullptr) visit(*one->measured_, argument);
}

}  // namespace eddy::detail
