// SPDX-License-Identifier: MIT
#include "executor/reports/stall_reporter.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "executor/reports/event_log.hpp"
#include "executor/task/hook.hpp"
#include "executor/task/registry.hpp"
#include "future/readable_name.hpp"
#include "inspect/program_texts.hpp"
#include "inspect/tree_output.hpp"
#include "inspect/walker.hpp"
#include "sys/native_symbols.hpp"
#include "sys/print_report.hpp"
#include "sys/thread_probe.hpp"

namespace eddy::detail {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::size_t most_places = 1024;
constexpr auto report_interval = std::chrono::minutes(1);  // of one place
constexpr unsigned most_printed = 10;                      // in each period
constexpr auto print_period = std::chrono::minutes(1);
constexpr std::size_t most_native = 24;

std::string milliseconds_text(std::chrono::nanoseconds time) {
    return std::to_string(duration_cast<milliseconds>(time).count()) + " ms";
}

std::string place_text(call_site where) {
    const auto place = source_location_of(where);
    return inspect::printable(place.file_name()) + ":" + std::to_string(place.line());
}

/// Returns the name of a function, without its parameters. The code of a coroutine is a function of the compiler's.
std::string short_name(const std::string& demangled) {
    return inspect::printable(inspect::function_name(readable_name(demangled)));
}

std::string native_text(const sys::native_symbols::place& of) {
    char offset[24];
    std::snprintf(offset, sizeof offset, "+0x%zx", static_cast<std::size_t>(of.offset));
    const std::string module = inspect::printable(base_name(of.module));
    if (of.function.empty()) return module + offset;
    return short_name(of.function) + offset + " (" + module + ")";
}

/// Returns the functions of a thread, from the innermost to the one that the executor calls.
std::vector<std::string> native_stack_of(const sys::thread_snapshot& taken, sys::native_symbols& symbols) {
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(taken.caller_count, most_native); ++i) {
        const auto place = symbols.at(taken.callers[i]);
        for (const std::string_view executor : {"core_shared::", "worker::", "pool::"})
            if (place.function.starts_with(std::string("eddy::detail::").append(executor))) return shown;
        shown.push_back(native_text(place));
    }
    return shown;
}

/// Returns the coroutines of a polled task, the outermost first.
///
/// Each of them but the innermost has suspended at its last co_await, or has started the one below it there. The
/// innermost may not have reached a co_await yet: then its place was left in the memory by another coroutine. So its
/// place is shown only if its function is the one whose code it resumes, or belongs to the last future that was polled.
std::vector<std::string> awaits_of(const std::vector<const inspect::place*>& frames, std::uintptr_t innermost,
                                   call_site last_leaf, sys::native_symbols& symbols) {
    std::vector<std::string> shown;
    for (const inspect::place* const one : frames) {
        const std::string place =
            one->file.empty() ? "" : inspect::printable(one->file) + ":" + std::to_string(one->line);
        if (one == frames.back() && shown.size() + 1 == frames.size()) {
            // SAFETY: the address is only used to copy memory by a system call. The first word of a coroutine, before
            // its promise, is its resume function.
            const auto* const at = reinterpret_cast<const void*>(innermost - 2 * sizeof(void*));  // NOLINT
            const auto resumed = symbols.at(static_cast<std::uintptr_t>(poll_reader::word(at)));
            const std::string name = short_name(resumed.function);
            const auto leaf = inspect::function_name(source_location_of(last_leaf).function_name());
            const bool is_its_own = frames.size() == 1 || one->function == name || one->function == leaf;
            if (place.empty() || !is_its_own) {
                const bool is_new = frames.size() == 1;  // only a root has no place until its first co_await
                shown.push_back((name.empty() ? native_text(resumed) : name) +
                                (is_new ? "  before its first co_await" : "  at an unknown place"));
                continue;
            }
        }
        shown.push_back(inspect::printable(one->function) + "  " + place);
    }
    return shown;
}

void describe(stall_report& into, std::chrono::nanoseconds limit) {
    const std::string task = into.task == 0 ? "a task" : "task " + std::to_string(into.task);
    const std::string name = into.name.empty() ? "" : " \"" + inspect::printable(into.name) + "\"";
    std::string& text = into.text;
    text = "eddy: " + task + name + " has " + (into.is_blocked ? "blocked" : "occupied") + " its thread for " +
           milliseconds_text(into.lasted) + " in one poll, so other tasks of the thread wait";
    if (into.count > 1) text += " (stall " + std::to_string(into.count) + " at this place)";
    text += "\n  spawned at " + place_text(call_site_of(into.spawned_at)) + "\n";
    for (const std::string& one : into.awaits) text += "    " + one + "\n";
    if (!into.native.empty()) text += into.is_blocked ? "  the thread waits in\n" : "  the thread runs\n";
    for (const std::string& one : into.native) text += "    " + inspect::printable(one) + "\n";
    text += into.is_blocked
                ? "  Move the call into eddy::spawn_blocking(), or use a function of eddy that is awaited."
                : "  Move the computation into eddy::spawn_blocking(), or co_await eddy::yield_now() in it.";
    text += " The limit is " + milliseconds_text(limit) + ", see EDDY_STALL.\n";
}

}  // namespace

/// Counts a stall. Returns its place if it is to be reported, else null. Beyond the limit, the place that was reported
/// first is forgotten.
stall_reporter::counted_place* stall_reporter::due_place(std::uint64_t executor, const poll_place& where,
                                                         time_point now) {
    auto found = std::ranges::find_if(
        places_, [&](const counted_place& one) { return one.executor == executor && one.where == where; });
    if (found == places_.end()) {
        if (places_.size() == most_places)
            places_.erase(std::ranges::min_element(places_, {}, &counted_place::reported_at));
        found = places_.insert(places_.end(), {.executor = executor, .where = where});
    }
    if (++found->stalls > 1 && now - found->reported_at < report_interval) return nullptr;
    found->reported_at = now;
    return &*found;
}

bool stall_reporter::may_print(time_point now) noexcept {
    if (now - period_began_ >= print_period) {
        period_began_ = now;
        printed_ = 0;
    }
    if (printed_++ < most_printed) return true;
    if (printed_ == most_printed + 1) sys::print_report("eddy: there are more stalls, which are only counted\n");
    return false;
}

void stall_reporter::report(const stalled_poll& poll, const stall_handler& handler,
                            const std::function<bool()>& is_same) try {
    const auto now = std::chrono::steady_clock::now();
    const poll_place where = poll_reader::place_of(poll.task);
    if (!is_same()) return;  // `where` may be of other memory
    const counted_place* const place = due_place(poll.executor, where, now);
    if (place == nullptr || (!handler && !may_print(now))) return;
    stall_report made;
    made.spawned_at = source_location_of(where.spawned_at);
    made.lasted = poll.lasted;
    made.is_blocked = poll.is_blocked;
    made.count = place->stalls;

    const sys::thread_snapshot taken = sys::interrupt_thread(poll.thread);
    std::vector<std::uintptr_t> words = poll_reader::stack_of(poll.context, taken.stack_pointer);
    words.insert(words.end(), taken.registers.begin(), taken.registers.end());
    const std::uintptr_t innermost = poll_reader::innermost_frame(poll.task, words);
    process_memory memory;
    const auto tree = inspect::read_polled_task(memory, address_of_debug_table(), poll.task, innermost);
    if (is_same() && tree) {
        const inspect::task& task = tree->executors.front().tasks.front();
        made.task = task.id;
        made.name = task.name;
        sys::native_symbols symbols;
        made.awaits = awaits_of(task.work.frames, innermost, where.last_leaf, symbols);
        made.native = native_stack_of(taken, symbols);
    }
    describe(made, poll.limit);
    if (handler) {
        call_hook("on_stall", [&] { handler(made); });
    } else {
        sys::print_report(made.text);
    }
    // Last, because it writes a file: the disk may be what the poll waits for.
    note_stall(made.task, static_cast<std::uint64_t>(duration_cast<milliseconds>(made.lasted).count()));
} catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): no memory; the stall is only counted
}

}  // namespace eddy::detail
