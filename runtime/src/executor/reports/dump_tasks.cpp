// SPDX-License-Identifier: MIT
#include <eddy/task/dump_tasks.hpp>

#include <string>

#include "executor/reports/own_tasks.hpp"

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
