// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include "inspect/checked_words.hpp"
#include "inspect/debug_table.hpp"
#include "inspect/program_texts.hpp"
#include "inspect/target_memory.hpp"
#include "inspect/task_tree.hpp"
#include "inspect/walk_budget.hpp"

namespace eddy::inspect {

/// Reads what tasks wait for: their coroutine frames, and the futures below. Nothing that is read is trusted: each walk
/// has a limit, and a wrong address ends it.
class wait_reader {
public:
    /// `words` gets the words that must be the same when the task has been read, otherwise it has changed meanwhile.
    wait_reader(cached_memory& memory, const debug_table& table, program_texts& texts, checked_words& words,
                walk_budget& left)
        : memory_(memory), table_(table), texts_(texts), words_(words), left_(left) {}

    /// Reads the stack of a task, or its future if `root` is 0.
    [[nodiscard]] stack read(address task, address ops, address root);
    /// Follows the frames outwards, from the innermost one. Returns false if they do not end at the root.
    [[nodiscard]] bool read_frames(address root, address innermost, std::vector<const place*>& frames);
    /// Whether the last task that was read waits for more futures, or for a scope with more tasks, than are shown, or
    /// for a scope whose tasks have changed each time they were read.
    [[nodiscard]] bool was_cut() const noexcept { return was_cut_; }

private:
    /// A future in a future.
    struct found_child {
        address shape;
        address label;
        address at;
    };

    [[nodiscard]] stack work_of(address task, address ops);
    [[nodiscard]] stack stack_of(address root, int level = 0);
    void read_leaf(address leaf, stack& into, int level);
    [[nodiscard]] stack future_at(address shape, address future, int level);
    [[nodiscard]] std::vector<found_child> children_of(const shape_record& shape, address future);
    void find_children(std::vector<found_child>& found, const child_record& child, address future);
    [[nodiscard]] bool spend_branch();
    [[nodiscard]] bool is_alive(const child_record& child, address in);
    void read_object(waiting& into, const shape_record& shape, address at);
    void read_joined(waiting& into);
    void read_permits(waiting& into, unsigned bits);
    void read_scope(waiting& into);
    [[nodiscard]] std::vector<task_number> children_of_scope(address scope, checked_words& words);

    cached_memory& memory_;
    const debug_table& table_;
    program_texts& texts_;
    checked_words& words_;
    walk_budget& left_;
    // Of the task:
    std::size_t branches_left_ = 0;
    bool was_cut_ = false;
};

}  // namespace eddy::inspect
