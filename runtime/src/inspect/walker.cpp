// SPDX-License-Identifier: MIT
#include "inspect/walker.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inspect/checked_words.hpp"
#include "inspect/program_texts.hpp"
#include "inspect/wait_reader.hpp"
#include "inspect/walk_budget.hpp"

namespace eddy::inspect {
namespace {

// The limits of one list or task.
constexpr int most_attempts = 8;
constexpr int most_attempts_alone = 32;  // of one task

constexpr std::size_t most_executors = 65'536;
constexpr std::size_t most_problems = 100;

// The sizes of what is fetched ahead. Larger objects are fetched when they are needed.
constexpr std::size_t task_size = 128;
constexpr std::size_t frame_size = 64;
constexpr std::size_t leaf_size = 48;

std::string version_of(const debug_table& table) {
    return std::to_string(table.version[0]) + '.' + std::to_string(table.version[1]) + '.' +
           std::to_string(table.version[2]);
}

class walker {
public:
    walker(target_memory& memory, const debug_table& table) : memory_(memory), table_(table) {}
    walker(const walker&) = delete;
    walker& operator=(const walker&) = delete;

    task_tree read() {
        tree_.version = version_of(table_);
        for (const executor_record& one : read_registry()) read_executor(one);
        if (left_.lists.is_exceeded() || left_.broken.is_exceeded() || left_.tasks.is_exceeded())
            tree_.has_all_tasks = false;
        note_limit(left_.lists, "lists of tasks");
        note_limit(left_.broken, "lists of tasks that cannot be read");
        note_limit(left_.tasks, "tasks");
        note_limit(left_.parts, "coroutines and futures");
        note_limit(left_.rereads, "tasks that changed while they were read");
        note_limit(left_.places, "places");
        note_limit(left_.texts, "names of types");
        if (has_cut_task_)
            note(
                "a task waits for more than 10,000 futures, or for a scope of more than 1,024 tasks or whose tasks "
                "change all the time: the others are not shown");
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
        if (root == 0 || innermost == 0 || !waits_.read_frames(root, innermost, made.work.frames))
            made.work.frames.clear();
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
        bool has_changed = false;  // while it was read
        bool was_cut = false;
        std::size_t words_end = 0;  // of its words in words_; they begin where the words of the task before end
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
            if (is_whole && fresh_word(table_.registry) == before) {
                // The oldest comes first: a program's own page, which it starts last, is not what a reader looks for.
                std::ranges::reverse(found);
                return found;
            }
        }
        tree_.has_all_tasks = false;
        note(memory_.changes() ? "the list of executors changed each time it was read: none are shown; try again"
                               : "the list of executors is damaged, or was written while it changed: none are shown");
        return {};
    }

    void read_executor(const executor_record& record) {
        executor& made = tree_.executors.emplace_back();
        made.kind = record.kind;
        made.id = record.id;
        for (std::uint32_t i = 0; i < record.list_count && !left_.broken.is_exceeded() && left_.lists.spend(); ++i) {
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
            if (!before[0] || !before[1] || left_.tasks.is_exceeded()) break;
            memory_.forget();
            const bool is_whole = follow(ring, found);
            const auto after = memory_.fresh(counters);
            if (is_whole && before == after && found.size() == *before[0] - *before[1]) {
                left_.tasks.spend(found.size());
                return found;
            }
        }
        tree_.has_all_tasks = false;
        left_.tasks.spend(found.size());
        if (!left_.broken.spend()) return found;
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
            if (found.size() == left_.tasks.left()) {
                left_.tasks.exceed();
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
                if (!memory_.changes() || !left_.rereads.spend()) break;
                read_again(alone, true);
            }
            if (!alone.empty()) give_up(*one);
        }
        std::vector<task> tasks;
        tasks.reserve(all.size());
        for (found_task& one : all) {
            if (one.is_gone) continue;
            tasks.push_back(std::move(one.it));
            has_cut_task_ = has_cut_task_ || one.was_cut;
        }
        return tasks;
    }

    /// Reads tasks, and keeps those that have changed meanwhile in the list.
    void read_again(std::vector<found_task*>& tasks, bool forgets) {
        if (forgets) memory_.forget();
        words_.clear();
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
        one.was_cut = false;
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
        into.was_cut = false;
        if (made.is == task_status::running) {
            made.work.is = stack::status::polled;
            return;
        }
        // The id, since the memory may be another task's by now.
        static_cast<void>(words_.read(into.state_at));
        static_cast<void>(words_.read(made.at + table_.task_id));
        made.work = waits_.read(made.at, ops, words_.read(made.at + table_.task_root).value_or(0));
        into.was_cut = waits_.was_cut();
    }

    std::optional<std::uint64_t> time_of_spawn(address at) {
        if (table_.task_started == no_offset) return std::nullopt;
        const std::uint64_t units = memory_.word(at + table_.task_started).value_or(0) >> started_first_bit;
        return units == 0 ? std::nullopt : std::optional(units * started_unit);
    }

    /// Reads what does not change, and returns the address of the task's operations.
    address read_title(task& into) {
        into.spawned_at = texts_.place_at(memory_.word(into.at + table_.task_spawned_at).value_or(0));
        const address ops = memory_.word(into.at + table_.task_ops).value_or(0);
        into.name = name_of(into.at, ops);
        return ops;
    }

    /// Removes the tasks whose words are as they were when they were read.
    void keep_changed(std::vector<found_task*>& tasks) {
        words_.compare();
        std::size_t begin = 0;
        std::erase_if(tasks, [&](found_task* one) {
            one->has_changed = !words_.is_unchanged(std::exchange(begin, one->words_end), one->words_end);
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
    walk_budget left_;
    bool has_cut_task_ = false;  // see wait_reader::was_cut()
    program_texts texts_{memory_, left_, tree_};
    checked_words words_{memory_};
    wait_reader waits_{memory_, table_, texts_, words_, left_};
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

}  // namespace eddy::inspect
