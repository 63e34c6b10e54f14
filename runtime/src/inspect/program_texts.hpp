// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "inspect/target_memory.hpp"
#include "inspect/task_tree.hpp"
#include "inspect/walk_budget.hpp"

namespace eddy::inspect {

/// Shortens the text of a function in a std::source_location to its name: without its return type and parameters.
[[nodiscard]] std::string function_name(const std::string& signature);

/// The places and texts of a program. They do not change, so each is read once, and kept in the tree.
class program_texts {
public:
    program_texts(cached_memory& memory, walk_budget& left, task_tree& into)
        : memory_(memory), left_(left), tree_(into) {}

    /// Returns the place at an address; null if there are too many. It is empty if it cannot be read.
    [[nodiscard]] const place* place_at(address where);
    /// Returns the text at an address, or an empty one.
    [[nodiscard]] std::string_view text_at(address at);

private:
    [[nodiscard]] const place* keep(place found);
    [[nodiscard]] place read_place(address where);

    cached_memory& memory_;
    walk_budget& left_;
    task_tree& tree_;
    std::unordered_map<address, const place*> places_;
    std::unordered_map<std::string, const place*> kept_;
};

}  // namespace eddy::inspect
