// SPDX-License-Identifier: MIT
#include "executor/reports/poll_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include <eddy/future/detail/virtual_stack.hpp>

#include "executor/task/registry.hpp"
#include "executor/task/run_task.hpp"

namespace eddy::detail {
namespace {

constexpr std::size_t longest_stack = 64 * 1024;
constexpr int most_tasks = 64;  // that are polled inside each other
constexpr int most_frames = 16'384;

using sys::copy_own_object;

// SAFETY, here and below: the address is only used to copy memory by system calls.
const std::byte* at(std::uintptr_t address) noexcept {
    return reinterpret_cast<const std::byte*>(address);  // NOLINT(performance-no-int-to-ptr)
}

constexpr std::size_t slot_fate = offset_of<slot_base>(&slot_base::frame_is);

/// Follows the frames from a possible one to the root. Memory is read once: the frames of a polled stack change.
class frame_search {
public:
    explicit frame_search(std::uintptr_t root) noexcept : root_(root) {}

    /// Returns the number of frames above `frame`. Returns -1 if it is no living frame of this stack.
    [[nodiscard]] int depth_of(std::uintptr_t frame) {
        int depth = 0;
        for (; frame != root_; ++depth) {
            if (depth == most_frames || frame < 4096 || frame % alignof(void*) != 0) return -1;
            if (word(frame + debug_table.frame_at) != root_) return -1;
            const std::uintptr_t outcome = word(frame + debug_table.frame_outcome);
            const auto fate = memory_.get<slot_base::fate>(outcome + slot_fate);
            if (fate != slot_base::fate::running) return -1;
            frame = word(outcome - sizeof(void*));  // awaiting_of()
        }
        return depth;
    }

private:
    std::uintptr_t word(std::uintptr_t from) { return memory_.get<std::uintptr_t>(from).value_or(0); }

    process_memory source_;
    inspect::cached_memory memory_{source_};
    const std::uintptr_t root_;
};

}  // namespace

std::uint64_t poll_reader::word(const void* from) noexcept { return copy_own_object<std::uint64_t>(from).value_or(0); }

polled_now poll_reader::task_of(const runtime_context* thread) noexcept {
    const auto context = copy_own_object<runtime_context>(thread);
    if (!context || context->is_in_blocking_call) return {};
    struct mark {
        std::uintptr_t task;
        std::uintptr_t outer;
    };
    static_assert(offset_of<polled_task>(&polled_task::task_) == offsetof(mark, task));
    static_assert(offset_of<polled_task>(&polled_task::outer_) == offsetof(mark, outer));
    auto next = reinterpret_cast<std::uintptr_t>(context->polled);
    for (int i = 0; i < most_tasks && next != 0; ++i) {
        const auto found = copy_own_object<mark>(at(next));
        if (!found) return {};
        if (found->task != 0) return {found->task, word(at(found->task) + debug_table.task_id)};
        next = found->outer;
    }
    return {};
}

poll_place poll_reader::place_of(std::uintptr_t task) noexcept {
    const auto site = [](const void* from) { return copy_own_object<call_site>(from).value_or(nullptr); };
    poll_place found;
    found.spawned_at = site(at(task) + debug_table.task_spawned_at);
    const auto root = static_cast<std::uintptr_t>(word(at(task) + debug_table.task_root));
    if (root == 0) return found;
    found.root = site(at(root) + debug_table.frame_where);
    const auto position = copy_own_object<stack_position>(at(root) + debug_table.frame_at);
    if (position && position->has_begun() && position->is_polled())
        found.last_leaf = site(context_access::call_site_in(position->polled_by()));
    return found;
}

std::vector<std::uintptr_t> poll_reader::stack_of(const runtime_context* thread, std::uintptr_t stack_pointer) {
    const auto context = copy_own_object<runtime_context>(thread);
    const auto end = context ? reinterpret_cast<std::uintptr_t>(context->poll_entry) : 0;
    stack_pointer -= stack_pointer % sizeof(void*);
    if (stack_pointer == 0 || end <= stack_pointer) return {};
    std::vector<std::uintptr_t> words(std::min<std::size_t>(end - stack_pointer, longest_stack) / sizeof(void*));
    if (!sys::copy_own_memory(at(stack_pointer), std::as_writable_bytes(std::span(words)))) return {};
    return words;
}

std::uintptr_t poll_reader::innermost_frame(std::uintptr_t task, std::span<const std::uintptr_t> words) {
    const auto root = static_cast<std::uintptr_t>(word(at(task) + debug_table.task_root));
    if (root == 0) return 0;
    std::vector<std::uintptr_t> candidates(words.begin(), words.end());
    std::ranges::sort(candidates);
    candidates.erase(std::ranges::unique(candidates).begin(), candidates.end());
    frame_search search(root);
    std::uintptr_t innermost = root;
    int deepest = 0;
    for (const std::uintptr_t word : candidates) {
        // An address of a promise, or of a coroutine, whose promise is behind two pointers.
        for (const std::uintptr_t frame : {word, word + 2 * sizeof(void*)}) {
            const int depth = search.depth_of(frame);
            if (depth <= deepest) continue;
            deepest = depth;
            innermost = frame;
        }
    }
    return innermost;
}

}  // namespace eddy::detail
