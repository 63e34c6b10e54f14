// SPDX-License-Identifier: MIT
#include "executor/reports/own_tasks.hpp"

#include <cstdint>
#include <source_location>
#include <string>

#include <eddy/task/dump_tasks.hpp>

#include "executor/task/registry.hpp"
#include "future/acquired_record.hpp"
#include "inspect/walker.hpp"
#include "sys/socket_text.hpp"
#include "sys/steady_ns.hpp"

namespace eddy::detail {
namespace {

std::string about_lock(inspect::address lock) {
    // SAFETY: the address is compared, and never dereferenced.
    const auto last = last_acquired_record(reinterpret_cast<const void*>(static_cast<std::uintptr_t>(lock)));  // NOLINT
    if (last.where == nullptr) return {};
    const std::source_location where = source_location_of(last.where);
    return (last.task == 0 ? "" : "by task " + std::to_string(last.task) + ' ') + "at " + where.file_name() + ':' +
           std::to_string(where.line());
}

}  // namespace

std::expected<inspect::task_tree, std::string> read_own_tasks() {
    process_memory memory;
    return inspect::read_tasks(memory, address_of_debug_table());
}

inspect::output_options own_output_options() {
    return {.now = sys::steady_ns(), .about = &sys::socket_text, .about_lock = &about_lock};
}

}  // namespace eddy::detail

namespace eddy {

std::string dump_tasks(dump_format as) {
    const auto tree = detail::read_own_tasks();
    if (!tree) return "eddy: " + tree.error() + "\n";
    const inspect::output_options options = detail::own_output_options();
    if (as == dump_format::json) return inspect::tree_json(*tree, options);
    std::string text = inspect::tree_text(*tree, options);
    for (const std::string& problem : tree->problems) text += "note: " + inspect::printable(problem) + "\n";
    return text;
}

}  // namespace eddy
