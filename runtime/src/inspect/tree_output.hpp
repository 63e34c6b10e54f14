// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "inspect/task_tree.hpp"

namespace eddy::inspect {

/// What the text of a tree contains besides the tree.
struct output_options {
    std::optional<std::uint64_t> now;       ///< in ns of CLOCK_MONOTONIC, of the program; for ages and deadlines
    std::function<std::string(int)> about;  ///< describes a descriptor; may be empty
    std::function<std::string(address)> about_lock;  ///< describes the await that has locked it last; may be empty
};

/// Returns the name of a kind: "event loop".
[[nodiscard]] const char* kind_name(executor_kind kind);

/// Returns a text of another program for a terminal: control characters and what is no UTF-8 are shown as \xNN.
[[nodiscard]] std::string printable(std::string_view text);

/// Returns a text of another program as a string of JSON, with its quotes. What is no UTF-8 is shown as U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

/// Returns an address as text: "0x7f00".
[[nodiscard]] std::string hex(address value);
/// Returns the function, file and line of a frame, printable. Null stands for an unknown place.
[[nodiscard]] std::string frame_text(const place* where);

// The texts do not have the problems of a tree, so that scripts can read them; JSON has them.

/// Returns one line per task.
[[nodiscard]] std::string list_text(const task_tree& tree, const output_options& options);
/// Returns the await chains. Tasks with equal chains are shown once, with their number.
[[nodiscard]] std::string tree_text(const task_tree& tree, const output_options& options);
/// Returns everything as one JSON object, a line per task.
[[nodiscard]] std::string tree_json(const task_tree& tree, const output_options& options);

}  // namespace eddy::inspect
