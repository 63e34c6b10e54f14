// SPDX-License-Identifier: MIT
#include "inspect/walker.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace eddy::inspect {

namespace {

// The limits of one list, task, stack or future.
constexpr int most_attempts = 8;
constexpr int most_attempts_alone = 32;  // of one task
constexpr std::size_t most_frames = 16'384;
constexpr std::size_t most_children = 1024;
constexpr int most_levels = 32;                // of branches in branches
constexpr std::size_t most_branches = 10'000;  // of one task
constexpr std::uint32_t most_lines = 100'000'000;

// The limits of a whole walk: those above multiply.
constexpr std::size_t most_executors = 65'536;
constexpr std::size_t most_lists = 16'384;
constexpr std::size_t most_tasks = 4'194'304;
constexpr std::size_t most_parts = 16'777'216;  // frames, branches, children of scopes, and 64 bytes of their texts
constexpr std::size_t most_broken = 1024;       // lists that cannot be read
constexpr std::size_t most_rereads = 262'144;   // of tasks that have changed
constexpr std::size_t most_constants = 32'768;  // places, and texts
constexpr std::size_t most_problems = 100;

/// What is left of a limit of a whole walk.
class budget {
public:
    explicit budget(std::size_t most) : left_(most) {}

    [[nodiscard]] std::size_t left() const noexcept { return left_; }
    /// Returns false if nothing is left.
    [[nodiscard]] bool spend() noexcept {
        if (left_ == 0) exceed();
        return !is_exceeded_ && left_-- != 0;
    }
    void spend(std::size_t count) noexcept { left_ -= std::min(left_, count); }
    void exceed() noexcept { is_exceeded_ = true; }
    /// Whether something was left out.
    [[nodiscard]] bool is_exceeded() const noexcept { return is_exceeded_; }

private:
    std::size_t left_;
    bool is_exceeded_ = false;
};

// The sizes of what is fetched ahead. Larger objects are fetched when they are needed.
constexpr std::size_t task_size = 128;
constexpr std::size_t frame_size = 64;
constexpr std::size_t leaf_size = 48;

bool is_printable(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

std::string version_of(const debug_table& table) {
    return std::to_string(table.version[0]) + '.' + std::to_string(table.version[1]) + '.' +
           std::to_string(table.version[2]);
}

class walker {
public:
    walker(target_memory& memory, const debug_table& table) : memory_(memory), table_(table) {}

    task_tree read() {
        tree_.version = version_of(table_);
        for (const executor_record& one : read_registry()) read_executor(one);
        note_limit(lists_, "lists of tasks");
        note_limit(broken_, "lists of tasks that cannot be read");
        note_limit(tasks_, "tasks");
        note_limit(parts_, "coroutines and futures");
        note_limit(rereads_, "tasks that changed while they were read");
        note_limit(places_left_, "places");
        note_limit(texts_left_, "names of types");
        return std::move(tree_);
    }

    task_tree read_polled(address at, address innermost) {
        task& made = tree_.executors.emplace_back().tasks.emplace_back();
        made.at = at;
        made.is = task_status::running;
        made.work.is = stack::status::polled;
        made.id = memory_.word(at + table_.task_id).value_or(0);
        read_title(made);
        const address root = memory_.word(at + table_.task_root).value_or(0);
        if (root == 0 || innermost == 0 || !read_frames(root, innermost, made.work.frames)) made.work.frames.clear();
        return std::move(tree_);
    }

private:
    /// A task that was found in a list.
    struct found_task {
        task it;
        address state_at = 0;
        address remote_state_at = 0;
        bool was_read = false;
        bool is_gone = false;
        bool has_changed = false;   // while it was read
        std::size_t words_end = 0;  // of its words in words_; they begin where those of the task before end
    };

    // ---- Lists ----

    std::vector<executor_record> read_registry() {
        for (int attempt = 0; attempt < attempts(most_attempts); ++attempt) {
            const auto before = fresh_word(table_.registry);
            memory_.forget();
            std::vector<executor_record> found;
            bool is_whole = before && *before % 2 == 0;
            std::optional<address> at = memory_.word(table_.registry + offsetof(registry_record, first));
            while (at && *at != 0 && found.size() < most_executors) {
                const auto record = memory_.get<executor_record>(*at);
                if (!record) break;
                found.push_back(*record);
                at = record->next;
            }
            is_whole = is_whole && at && *at == 0;
            if (is_whole && fresh_word(table_.registry) == before) return found;
        }
        note(memory_.changes() ? "the list of executors changed each time it was read: none are shown; try again"
                               : "the list of executors is damaged, or was written while it changed: none are shown");
        return {};
    }

    void read_executor(const executor_record& record) {
        executor& made = tree_.executors.emplace_back();
        made.kind = record.kind;
        made.id = record.id;
        for (std::uint32_t i = 0; i < record.list_count && !broken_.is_exceeded() && lists_.spend(); ++i) {
            const std::uint64_t step = i * record.stride;
            const std::vector<address> found =
                read_list(record.rings + step, record.added + step, record.removed + step);
            std::vector<task> listed = read_listed(found, record);
            made.tasks.insert(made.tasks.end(), std::make_move_iterator(listed.begin()),
                              std::make_move_iterator(listed.end()));
        }
    }

    /// Returns the tasks of a ring, and leaves the pages with their headers in memory_.
    std::vector<address> read_list(address ring, address added, address removed) {
        std::vector<address> found;
        const address counters[] = {added, removed};
        for (int attempt = 0; attempt < attempts(most_attempts); ++attempt) {
            const auto before = memory_.fresh(counters);
            if (!before[0] || !before[1] || tasks_.is_exceeded()) break;
            memory_.forget();
            const bool is_whole = follow(ring, found);
            const auto after = memory_.fresh(counters);
            if (is_whole && before == after && found.size() == *before[0] - *before[1]) {
                tasks_.spend(found.size());
                return found;
            }
        }
        tasks_.spend(found.size());
        if (!broken_.spend()) return found;
        note("a list of " + std::to_string(found.size()) + " tasks " +
             (memory_.changes() ? "changed each time it was read" : "is damaged, or was written while it changed") +
             ": some tasks may be missing");
        return found;
    }

    /// Follows a ring. Returns whether it ends where it began.
    bool follow(address ring, std::vector<address>& found) {
        found.clear();
        std::optional<address> at = memory_.word(ring + table_.task_next);
        // A cycle without the ring's head is found by a mark that is moved to each 2^n-th task (Brent, 1980).
        std::size_t mark = 0;
        while (at && *at != ring) {
            if (found.size() == tasks_.left()) {
                tasks_.exceed();
                return false;
            }
            if (!found.empty() && *at == found[mark]) return false;
            found.push_back(*at);
            if (std::has_single_bit(found.size())) mark = found.size() - 1;
            at = memory_.word(*at + table_.task_next);
        }
        return at.has_value();
    }

    // ---- Tasks ----

    std::vector<task> read_listed(std::span<const address> listed, const executor_record& of) {
        std::vector<found_task> all(listed.size());
        std::vector<found_task*> left;
        for (std::size_t i = 0; i < listed.size(); ++i) {
            all[i].it.at = listed[i];
            all[i].state_at = listed[i] + of.state;
            all[i].remote_state_at = listed[i] + of.remote_state;
            left.push_back(&all[i]);
        }
        // All at once, then those that have changed one by one, in the shortest possible time.
        read_again(left, false);
        for (found_task* one : left) {
            std::vector<found_task*> alone{one};
            // What a file has is damaged, and stays so.
            for (int attempt = 0; attempt < most_attempts_alone && !alone.empty(); ++attempt) {
                if (!memory_.changes() || !rereads_.spend()) break;
                read_again(alone, true);
            }
            if (!alone.empty()) give_up(*one);
        }
        std::vector<task> tasks;
        tasks.reserve(all.size());
        for (found_task& one : all)
            if (!one.is_gone) tasks.push_back(std::move(one.it));
        return tasks;
    }

    /// Reads tasks, and keeps those that have changed meanwhile in the list.
    void read_again(std::vector<found_task*>& tasks, bool forgets) {
        if (forgets) memory_.forget();
        words_.clear();
        values_.clear();
        fetch(tasks);
        for (found_task* one : tasks) {
            read_task(*one);
            one->words_end = words_.size();
        }
        keep_changed(tasks);
    }

    /// A task that has changed each time is one that runs.
    static void give_up(found_task& one) {
        if (!one.has_changed) return;  // its memory is damaged
        one.it.is = task_status::running;
        one.it.work = {};
        one.it.work.is = stack::status::polled;
    }

    /// Reads the pages with the headers, the roots and the leaves of tasks, a few system calls for all.
    void fetch(std::span<found_task* const> tasks) {
        std::vector<address> wanted;
        for (const found_task* one : tasks) wanted.push_back(one->it.at);
        memory_.fetch(wanted, task_size);
        std::vector<address> roots;
        for (const address one : wanted)
            if (const auto root = memory_.word(one + table_.task_root); root && *root != 0) roots.push_back(*root);
        memory_.fetch(roots, frame_size);
        wanted.clear();
        for (const address root : roots)
            if (const auto at = memory_.word(root + table_.frame_at)) wanted.push_back(*at & ~address{3});
        memory_.fetch(wanted, leaf_size);
    }

    void read_task(found_task& into) {
        task& made = into.it;
        const auto state = memory_.word(into.state_at);
        const auto id = memory_.word(made.at + table_.task_id);
        // Ended; or ended and freed, so that the memory is something else now.
        into.is_gone = !state || !id || (*state & table_.complete) != 0 || (into.was_read && *id != made.id);
        if (into.is_gone) return;
        into.was_read = true;
        made.id = *id;
        const auto remote = memory_.word(into.remote_state_at).value_or(0);
        const auto woken = (*state | remote) & table_.notified;
        made.is = (*state & table_.running) != 0 ? task_status::running
                  : woken != 0                   ? task_status::queued
                                                 : task_status::waits;
        made.is_cancelled = (*state & table_.cancelled) != 0;
        made.started = time_of_spawn(made.at);
        const address ops = read_title(made);
        made.is_detached = (remote & (table_.joined | table_.background)) == 0 && !is_owned(ops);
        made.work = {};  // of an earlier attempt
        if (made.is == task_status::running) {
            made.work.is = stack::status::polled;
            return;
        }
        // The id, since the memory may be another task's by now.
        check_later(into.state_at);
        check_later(made.at + table_.task_id);
        branches_left_ = most_branches;
        const address root = check_later(made.at + table_.task_root);
        made.work = root != 0 ? stack_of(root) : work_of(made.at, ops);
    }

    std::optional<std::uint64_t> time_of_spawn(address at) {
        if (table_.task_started == no_offset) return std::nullopt;
        const std::uint64_t units = memory_.word(at + table_.task_started).value_or(0) >> started_first_bit;
        return units == 0 ? std::nullopt : std::optional(units * started_unit);
    }

    /// Reads what does not change, and returns the address of the task's operations.
    address read_title(task& into) {
        into.spawned_at = place_at(memory_.word(into.at + table_.task_spawned_at).value_or(0));
        const address ops = memory_.word(into.at + table_.task_ops).value_or(0);
        into.name = name_of(into.at, ops);
        return ops;
    }

    /// Returns a word, or 0. The task is read again unless the word has the same value when all tasks have been read.
    std::uint64_t check_later(address at) {
        const auto value = memory_.word(at);
        words_.push_back(at);
        values_.push_back(value);
        return value.value_or(0);
    }

    /// Removes the tasks whose words are as they were when they were read. So the words are those of one moment, unless
    /// one has changed and changed back in between.
    void keep_changed(std::vector<found_task*>& tasks) {
        const auto now = memory_.fresh(words_);
        std::size_t begin = 0;
        std::erase_if(tasks, [&](found_task* one) {
            const auto first = static_cast<std::ptrdiff_t>(std::exchange(begin, one->words_end));
            const auto last = static_cast<std::ptrdiff_t>(one->words_end);
            one->has_changed = !std::equal(now.begin() + first, now.begin() + last, values_.begin() + first);
            return !one->has_changed && one->it.work.is != stack::status::unreadable;
        });
    }

    bool is_owned(address ops) {
        return table_.ops_owned != no_offset && memory_.get<std::uint8_t>(ops + table_.ops_owned) == 1;
    }

    std::string name_of(address task, address ops) {
        const std::uint32_t offset = memory_.half(ops + table_.ops_name).value_or(0);
        if (offset == 0 || table_.string_data == no_offset) return {};
        const auto data = memory_.word(task + offset + table_.string_data);
        const auto size = memory_.word(task + offset + table_.string_size);
        if (!data || !size) return {};
        std::string name(std::min<std::uint64_t>(*size, 256), '\0');
        return memory_.copy(*data, std::as_writable_bytes(std::span(name))) ? name : std::string();
    }

    // ---- Stacks ----

    stack work_of(address task, address ops) {
        const address shape = memory_.word(ops + table_.ops_shape).value_or(0);
        const auto offset = memory_.half(ops + table_.ops_work);
        if (shape == 0 || !offset) return {};  // nothing is known about it
        return future_at(shape, task + *offset, 0);
    }

    stack stack_of(address root, int level = 0) {
        stack made;
        const std::uint64_t at = check_later(root + table_.frame_at);
        const address to = at & ~address{3};
        made.is = stack::status::unreadable;
        if (!values_.back()) return made;
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
    bool read_frames(address root, address innermost, std::vector<const place*>& frames) {
        address at = innermost;
        while (frames.size() < most_frames && parts_.spend()) {
            const place* const where = place_at(check_later(at + table_.frame_where));
            if (where != nullptr) spend_text(where->file.size() + where->function.size());
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
    void read_leaf(address leaf, stack& into, int level) {
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
    stack future_at(address shape, address future, int level) {
        stack made;
        const auto record = memory_.get<shape_record>(shape);
        if (!record) return made;
        made.leaf.kind = record->kind;
        made.leaf.type = text_at(record->name);
        spend_text(made.leaf.type.size());
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
                made.leaf.branches.push_back({text_at(child.label), future_at(child.shape, child.at, level + 1)});
        }
        return made;
    }

    /// A future in a future.
    struct found_child {
        address shape;
        address label;
        address at;
    };

    /// Returns the children that exist.
    std::vector<found_child> children_of(const shape_record& shape, address future) {
        std::vector<found_child> found;
        for (std::size_t i = 0; i < shape.child_count && branches_left_ != 0; ++i) {
            const auto child = memory_.get<child_record>(shape.children + i * sizeof(child_record));
            if (child) find_children(found, *child, future);
        }
        return found;
    }

    void find_children(std::vector<found_child>& found, const child_record& child, address future) {
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
    bool spend_branch() {
        if (branches_left_ == 0 || !parts_.spend()) return false;
        --branches_left_;
        return true;
    }

    /// Texts are kept once, but written for each frame and branch.
    void spend_text(std::size_t bytes) { parts_.spend(bytes / 64); }

    bool is_alive(const child_record& child, address in) {
        if (child.alive == child_record::always) return true;
        const auto byte = memory_.get<std::uint8_t>(in + child.alive);
        return byte && *byte == child.alive_is;
    }

    /// Reads the word that the kind of a wait needs.
    void read_object(waiting& into, const shape_record& shape, address at) {
        switch (into.kind) {
        case wait_kind::other:
        case wait_kind::any_wakeup:
        case wait_kind::any_of:
        case wait_kind::all_of: return;
        default: into.object = shape.is_inside != 0 ? at : memory_.word(at).value_or(0);
        }
        if (into.object == 0) return;
        switch (into.kind) {
        case wait_kind::readable:
        case wait_kind::writable: into.fd = memory_.get<std::int32_t>(into.object + table_.socket_fd); return;
        case wait_kind::data_from:
        case wait_kind::room_in:
        case wait_kind::readiness:
            into.fd = memory_.get<std::int32_t>(std::exchange(into.object, 0));
            if (into.fd && *into.fd < 0) into.fd.reset();
            return;
        case wait_kind::mutex:
        case wait_kind::read_lock:
        case wait_kind::write_lock:
        case wait_kind::semaphore: return read_permits(into, 60);
        case wait_kind::channel_send: return read_permits(into, 30);
        case wait_kind::join: return read_joined(into);
        case wait_kind::scope: return read_scope(into);
        default: return;
        }
    }

    void read_joined(waiting& into) {
        into.tasks.push_back({memory_.word(into.object + table_.task_id).value_or(0), into.object});
        const address ops = memory_.word(into.object + table_.task_ops).value_or(0);
        const auto work = memory_.get<shape_record>(memory_.word(ops + table_.ops_shape).value_or(0));
        if (work && work->kind == wait_kind::blocking) into.kind = wait_kind::blocking;
    }

    void read_permits(waiting& into, unsigned bits) {
        if (const auto word = memory_.word(into.object + table_.permits_word))
            into.permits = (*word >> 3) & ((std::uint64_t{1} << bits) - 1);
    }

    void read_scope(waiting& into) {
        auto link = memory_.word(into.object + table_.scope_first);
        if (link) *link &= ~address{3};
        while (link && *link != 0 && into.tasks.size() < most_children && parts_.spend()) {
            const auto task = memory_.word(*link + table_.scope_task);
            const auto id = task ? memory_.word(*task + table_.task_id) : std::nullopt;
            if (!id) return;
            into.tasks.push_back({*id, *task});
            link = memory_.word(*link + table_.scope_next);
        }
    }

    // ---- Constants of the program, which are read once ----

    const place* place_at(address where) {
        if (const auto known = places_.find(where); known != places_.end()) return known->second;
        if (!places_left_.spend()) return nullptr;
        return places_[where] = keep(read_place(where));
    }

    /// Two co_await in one line have two places in the program, and one here.
    const place* keep(place found) {
        auto& kept = kept_[found.file + ':' + std::to_string(found.line) + ':' + found.function];
        if (kept == nullptr) kept = &tree_.places.emplace_back(std::move(found));
        return kept;
    }

    place read_place(address where) {
        const auto record = where == 0 ? std::nullopt : memory_.get<place_record>(where);
        if (!record || record->line > most_lines) return {};
        const auto file = memory_.text(record->file);
        const auto function = memory_.text(record->function);
        if (!file || !function || !is_printable(*file) || !is_printable(*function)) return {};
        return {*file, function_name(*function), record->line};
    }

    std::string_view text_at(address at) {
        if (const auto known = tree_.texts.find(at); known != tree_.texts.end()) return known->second;
        if (at == 0 || !texts_left_.spend()) return {};
        const auto text = memory_.text(at);
        return tree_.texts[at] = text && is_printable(*text) ? *text : std::string();
    }

    std::optional<std::uint64_t> fresh_word(address at) { return memory_.fresh(std::span(&at, 1))[0]; }
    /// How often to read what has changed.
    [[nodiscard]] int attempts(int most) const { return memory_.changes() ? most : 1; }

    /// A damaged program has as many problems as lists: most of them say the same.
    void note(std::string problem) {
        if (tree_.problems.size() < most_problems) tree_.problems.push_back(std::move(problem));
    }
    void note_limit(const budget& of, const std::string& what) {
        if (of.is_exceeded())
            tree_.problems.push_back("there are too many " + what + ", or its memory is damaged: some are not shown");
    }

    cached_memory memory_;
    const debug_table table_;
    task_tree tree_;
    std::unordered_map<address, const place*> places_;
    std::unordered_map<std::string, const place*> kept_;
    std::size_t branches_left_ = 0;
    budget lists_{most_lists};
    budget tasks_{most_tasks};
    budget parts_{most_parts};
    budget broken_{most_broken};
    budget rereads_{most_rereads};
    budget places_left_{most_constants};
    budget texts_left_{most_constants};
    // What check_later() has read.
    std::vector<address> words_;
    std::vector<std::optional<std::uint64_t>> values_;
};

std::expected<debug_table, std::string> read_table(target_memory& memory, address table) {
    const auto found = table_at(memory, table);
    if (!found) return std::unexpected("there is no eddy debug table at this address");
    if (found->pointer_size != sizeof(address))
        return std::unexpected("the program has pointers of " + std::to_string(found->pointer_size) +
                               " bytes, and this reader supports programs of 64 bits only");
    if (found->format == current_format && found->size >= sizeof(debug_table)) return *found;
    const std::string version = version_of(*found);
    return std::unexpected("the program uses eddy " + version + ", whose debug table has format " +
                           std::to_string(found->format) + ", and this reader knows format " +
                           std::to_string(current_format) + ": use the program `eddy` of eddy " + version);
}

}  // namespace

std::expected<task_tree, std::string> read_tasks(target_memory& memory, address table) {
    const auto found = read_table(memory, table);
    if (!found) return std::unexpected(found.error());
    return walker(memory, *found).read();
}

std::expected<task_tree, std::string> read_polled_task(target_memory& memory, address table, address task,
                                                       address innermost) {
    const auto found = read_table(memory, table);
    if (!found) return std::unexpected(found.error());
    return walker(memory, *found).read_polled(task, innermost);
}

std::string function_name(const std::string& signature) {
    // Names of unnamed namespaces say nothing, and have parentheses.
    std::string text = signature;
    for (const std::string_view omitted : {"{anonymous}::", "(anonymous namespace)::"})
        for (auto at = text.find(omitted); at != std::string::npos; at = text.find(omitted))
            text.erase(at, omitted.size());
    const bool is_lambda =
        text.find("<lambda") != std::string::npos || text.find("(anonymous class)") != std::string::npos;
    // The name begins behind the last space, and ends at the first parenthesis, outside of template arguments.
    std::size_t begin = 0;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '<' || c == '[' || c == '{') ++depth;
        if (c == '>' || c == ']' || c == '}') --depth;
        if (depth != 0) continue;
        const bool is_operator = std::string_view(text).substr(0, i).ends_with("operator");
        if (c == ' ' && !is_operator) begin = i + 1;
        if (c == '(' && !is_operator) {
            while (text[begin] == '*' || text[begin] == '&') ++begin;
            return text.substr(begin, i - begin) + (is_lambda ? "::<lambda>" : "");
        }
    }
    return text;
}

}  // namespace eddy::inspect
