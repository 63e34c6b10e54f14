// SPDX-License-Identifier: MIT
#include "inspect/wait_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace eddy::inspect {
namespace {

// The limits of one stack or future.
constexpr std::size_t most_frames = 16'384;
constexpr std::size_t most_children = 1024;
constexpr int most_scope_attempts = 8;         // of the children of a scope
constexpr int most_levels = 32;                // of branches in branches
constexpr std::size_t most_branches = 10'000;  // of one task

}  // namespace

stack wait_reader::read(address task, address ops, address root) {
    branches_left_ = most_branches;
    was_cut_ = false;
    return root != 0 ? stack_of(root) : work_of(task, ops);
}

stack wait_reader::work_of(address task, address ops) {
    const address shape = memory_.word(ops + table_.ops_shape).value_or(0);
    const auto offset = memory_.half(ops + table_.ops_work);
    if (shape == 0 || !offset) return {};  // nothing is known about it
    return future_at(shape, task + *offset, 0);
}

stack wait_reader::stack_of(address root, int level) {
    stack made;
    const auto read = words_.read(root + table_.frame_at);
    made.is = stack::status::unreadable;
    if (!read) return made;
    const std::uint64_t at = *read;
    const address to = at & ~address{3};
    address innermost = to;
    switch (static_cast<position>(at & 3)) {
    case position::below:
        if (at == 0) made.is = stack::status::not_started;
        return made;
    case position::polled: made.is = stack::status::polled; return made;
    case position::waits:
        if (to == 0) {
            made.is = stack::status::not_started;
            return made;
        }
        innermost = memory_.word(to + table_.leaf_waiter).value_or(0);
        break;
    case position::resumes:
        if (to == root && memory_.word(root + table_.frame_where).value_or(0) == 0) {
            made.is = stack::status::not_started;
            return made;
        }
        made.leaf.kind = wait_kind::any_wakeup;
        break;
    }
    if (!read_frames(root, innermost, made.frames)) return made;
    if (static_cast<position>(at & 3) == position::waits) {
        read_leaf(to, made, level);
    } else {
        made.is = stack::status::waits;
    }
    return made;
}

/// Follows the frames outwards. Each of them refers to the root, which ends a walk over memory that was reused.
bool wait_reader::read_frames(address root, address innermost, std::vector<const place*>& frames) {
    address at = innermost;
    while (frames.size() < most_frames && left_.parts.spend()) {
        const place* const where = texts_.place_at(words_.read(at + table_.frame_where).value_or(0));
        if (where != nullptr) left_.spend_text(where->file.size() + where->function.size());
        frames.push_back(where);
        if (at == root) {
            std::ranges::reverse(frames);
            return true;
        }
        const auto outcome = memory_.word(at + table_.frame_outcome);
        if (memory_.word(at + table_.frame_at) != root || !outcome) return false;
        at = memory_.word(*outcome + awaiting_before_slot).value_or(0);
    }
    return false;
}

/// Reads what the innermost frame waits for. If that is another stack, its frames follow.
void wait_reader::read_leaf(address leaf, stack& into, int level) {
    const auto ops = memory_.word(leaf + table_.leaf_ops);
    const auto record = ops ? memory_.get<leaf_record>(*ops) : std::nullopt;
    const auto future = memory_.word(leaf + table_.leaf_future);
    if (!record || !future) return;
    into.is = stack::status::waits;
    if (record->shape == 0 || *future == 0) return;
    stack awaited = future_at(record->shape, *future, level);
    into.is = awaited.is;
    into.frames.insert(into.frames.end(), awaited.frames.begin(), awaited.frames.end());
    into.leaf = std::move(awaited.leaf);
}

// ---- Futures ----

/// Reads a future: a virtual stack, or another one. An adaptor is what the future in it is.
stack wait_reader::future_at(address shape, address future, int level) {
    stack made;
    const auto record = memory_.get<shape_record>(shape);
    if (!record) return made;
    made.leaf.kind = record->kind;
    made.leaf.type = texts_.text_at(record->name);
    left_.spend_text(made.leaf.type.size());
    if (level >= most_levels) return made;
    if (record->kind == wait_kind::frames) {
        const address root = memory_.word(future + record->offset).value_or(0);
        if (root != 0) return stack_of(root, level + 1);
        made.is = stack::status::not_started;
    } else if (record->kind == wait_kind::inner) {
        const auto inner = children_of(*record, future);
        if (!inner.empty()) return future_at(inner.front().shape, inner.front().at, level + 1);
    } else {
        read_object(made.leaf, *record, future + record->offset);
        for (const found_child& child : children_of(*record, future))
            made.leaf.branches.push_back({texts_.text_at(child.label), future_at(child.shape, child.at, level + 1)});
    }
    return made;
}

/// Returns the children that exist.
std::vector<wait_reader::found_child> wait_reader::children_of(const shape_record& shape, address future) {
    std::vector<found_child> found;
    std::size_t i = 0;
    for (; i < shape.child_count && branches_left_ != 0; ++i) {
        const auto child = memory_.get<child_record>(shape.children + i * sizeof(child_record));
        if (child) find_children(found, *child, future);
    }
    was_cut_ = was_cut_ || i < shape.child_count;
    return found;
}

void wait_reader::find_children(std::vector<found_child>& found, const child_record& child, address future) {
    if (child.is_at == child_record::list) {
        address node = memory_.word(future + child.offset).value_or(0);
        for (; node != 0 && spend_branch(); node = memory_.word(node + child.stride).value_or(0))
            if (is_alive(child, node)) found.push_back({child.shape, child.label, node + child.in_node});
    } else if (child.is_at == child_record::array) {
        const address end = memory_.word(future + child.offset + sizeof(address)).value_or(0);
        address at = memory_.word(future + child.offset).value_or(0);
        if (at >= end || child.stride == 0) return;
        for (auto left = (end - at) / child.stride; left != 0 && spend_branch(); --left, at += child.stride)
            if (is_alive(child, at)) found.push_back({child.shape, child.label, at});
    } else if (spend_branch() && is_alive(child, future)) {
        address at = future + child.offset;
        if (child.is_at == child_record::pointer) at = memory_.word(at).value_or(0);
        if (at == 0) return;
        const address shape = child.shape != 0 ? child.shape : memory_.word(at + child.stride).value_or(0);
        found.push_back({shape, child.label, at});
    }
}

/// Returns false if the task has too many. Also those that have ended count, since a damaged array has no others.
bool wait_reader::spend_branch() {
    if (branches_left_ == 0) {
        was_cut_ = true;
        return false;
    }
    if (!left_.parts.spend()) return false;
    --branches_left_;
    return true;
}

bool wait_reader::is_alive(const child_record& child, address in) {
    if (child.alive == child_record::always) return true;
    const auto byte = memory_.get<std::uint8_t>(in + child.alive);
    return byte && *byte == child.alive_is;
}

/// Reads the word that the kind of a wait needs.
void wait_reader::read_object(waiting& into, const shape_record& shape, address at) {
    const wait_word word = row_of(into.kind).word;
    if (word == wait_word::nothing || word == wait_word::children) return;
    into.object = shape.is_inside != 0 ? at : memory_.word(at).value_or(0);
    if (into.object == 0) return;
    switch (word) {
    case wait_word::socket: into.fd = memory_.get<std::int32_t>(into.object + table_.socket_fd); return;
    case wait_word::descriptor:
        into.fd = memory_.get<std::int32_t>(std::exchange(into.object, 0));
        if (into.fd && *into.fd < 0) into.fd.reset();
        return;
    case wait_word::process: into.object = memory_.get<std::uint32_t>(into.object).value_or(0); return;
    case wait_word::lock:
    case wait_word::permits: return read_permits(into, 60);
    case wait_word::channel: return read_permits(into, 30);
    case wait_word::task: return read_joined(into);
    case wait_word::scope: return read_scope(into);
    default: return;
    }
}

void wait_reader::read_joined(waiting& into) {
    into.tasks.push_back({memory_.word(into.object + table_.task_id).value_or(0), into.object});
    const address ops = memory_.word(into.object + table_.task_ops).value_or(0);
    const auto work = memory_.get<shape_record>(memory_.word(ops + table_.ops_shape).value_or(0));
    if (work && work->kind == wait_kind::blocking) into.kind = wait_kind::blocking;
}

void wait_reader::read_permits(waiting& into, unsigned bits) {
    if (const auto word = memory_.word(into.object + table_.permits_word))
        into.permits = (*word >> 3) & ((std::uint64_t{1} << bits) - 1);
}

/// Children end on other threads, and that does not wake the task that waits for them. So they are checked here, and
/// not together with the words of the task, which would be read again and again.
void wait_reader::read_scope(waiting& into) {
    for (int attempt = 0; attempt < most_scope_attempts; ++attempt) {
        if (attempt != 0) memory_.forget();
        checked_words words(memory_);
        into.tasks = children_of_scope(into.object, words);
        words.compare();
        if (words.is_unchanged(0, words.size())) return;
    }
    into.tasks.clear();
    was_cut_ = true;
}

std::vector<task_number> wait_reader::children_of_scope(address scope, checked_words& words) {
    std::vector<task_number> found;
    auto link = words.read(scope + table_.scope_first);
    if (link) *link &= ~address{3};
    while (link && *link != 0 && found.size() < most_children && left_.parts.spend()) {
        const auto task = words.read(*link + table_.scope_task);
        const auto id = task ? words.read(*task + table_.task_id) : std::nullopt;
        if (!id) return found;
        found.push_back({*id, *task});
        link = words.read(*link + table_.scope_next);
    }
    if (link && *link != 0 && found.size() == most_children) was_cut_ = true;
    return found;
}

}  // namespace eddy::inspect
