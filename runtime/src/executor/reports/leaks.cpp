// SPDX-License-Identifier: MIT
#include "executor/reports/leaks.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <string_view>
#include <unordered_set>

#include "executor/reports/own_tasks.hpp"
#include "executor/task/hook.hpp"
#include "sys/print_report.hpp"
#include "sys/socket_text.hpp"
#include "sys/this_process.hpp"

namespace eddy::detail {
namespace {

using inspect::executor_kind;
using inspect::task_status;

/// The number of descriptors that are named individually.
constexpr std::size_t most_named = 20;

/// A task that is queued may be about to end, so it is none. Nor is queued blocking work, which is cancelled.
bool is_leak(const inspect::task& one, executor_kind of) {
    if (of == executor_kind::blocking) return one.is == task_status::running;
    return one.is == task_status::waits && one.is_detached;
}

/// Adds the addresses of the tasks for which a stack waits.
void add_awaited(std::unordered_set<inspect::address>& into, const inspect::stack& waits) {
    for (const inspect::task_number& one : waits.leaf.tasks) into.insert(one.at);
    for (const inspect::branch& one : waits.leaf.branches) add_awaited(into, one.of);
}

/// Keeps the leaked tasks, and those for which they wait: the cause is often there.
void keep_leaks(inspect::executor& of) {
    std::unordered_set<inspect::address> kept;
    for (const inspect::task& one : of.tasks)
        if (is_leak(one, of.kind)) kept.insert(one.at);
    for (std::size_t before = 0; before != kept.size();) {
        before = kept.size();
        for (const inspect::task& one : of.tasks)
            if (kept.contains(one.at)) add_awaited(kept, one.work);
    }
    std::erase_if(of.tasks, [&](const inspect::task& one) { return !kept.contains(one.at); });
}

bool is_of(const inspect::executor& one, executor_kind kind, std::uint64_t id) {
    return one.id == id && (one.kind == kind || (one.kind == executor_kind::blocking && kind == executor_kind::pool));
}

/// Returns the text that `make` returns.
template <class Make>
std::string text_if_memory(Make make) noexcept {
    try {
        return make();
    } catch (const std::exception&) {
        sys::print_report("eddy: there is not enough memory to report leaks\n");
        return {};
    }
}

}  // namespace

void print_leaks(std::string_view report) { sys::print_report(report); }

leak_handler leak_handler_by_environment() {
    const std::string_view value = sys::environment("EDDY_LEAKS");
    return value.empty() || value == "0" ? nullptr : leak_handler(&print_leaks);
}

std::string leaked_tasks(executor_kind kind, std::uint64_t id) noexcept {
    return text_if_memory([&]() -> std::string {
        auto tree = read_own_tasks();
        if (!tree) return {};
        std::erase_if(tree->executors, [&](inspect::executor& one) {
            if (!is_of(one, kind, id)) return true;
            keep_leaks(one);
            return one.tasks.empty();
        });
        if (tree->executors.empty()) return {};
        return "eddy: leaks: tasks that have not ended at the shutdown of their executor:\n" +
               inspect::tree_text(*tree, own_output_options());
    });
}

std::string leaked_descriptors(executor_kind kind, std::uint64_t id,
                               const std::function<std::vector<int>()>& registered) noexcept {
    return text_if_memory([&]() -> std::string {
        const std::vector<int> fds = registered();
        if (fds.empty()) return {};
        std::string text = std::string("eddy: leaks: descriptors that outlive ") + inspect::kind_name(kind) + ' ' +
                           std::to_string(id) + ":\n";
        for (std::size_t i = 0; i < std::min(fds.size(), most_named); ++i) {
            const std::string about = inspect::printable(sys::socket_text(fds[i]));
            text += "  descriptor " + std::to_string(fds[i]) + (about.empty() ? "" : " (" + about + ")") + '\n';
        }
        if (fds.size() > most_named) text += "  and " + std::to_string(fds.size() - most_named) + " more\n";
        return text;
    });
}

void pass_on_leaks(const leak_handler& handler, const std::string& report) noexcept {
    if (!report.empty()) call_hook("on_leaks()", [&] { handler(report); });
}

}  // namespace eddy::detail
