// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "inspect/target_memory.hpp"
#include "inspect/task_tree.hpp"
#include "inspect/tree_output.hpp"
#include "sys/own_memory.hpp"

namespace eddy::detail {

/// The memory of this process, read by system calls, so that a wrong address is an error and no crash.
class process_memory final : public inspect::target_memory {
public:
    void read(std::span<inspect::piece> pieces) override {
        for (inspect::piece& one : pieces) {
            // SAFETY: only the system uses the address.
            const auto* const from = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(one.from));  // NOLINT
            one.is_read = sys::copy_own_memory(from, one.into);
        }
    }
};

/// Reads the tasks of this process by system calls, so that a wrong address is an error and no crash.
/// Errors: a sentence. Throws std::bad_alloc.
/// Thread safety: any thread.
[[nodiscard]] std::expected<inspect::task_tree, std::string> read_own_tasks();

/// Returns what their texts contain: times until deadlines, and the addresses of sockets.
[[nodiscard]] inspect::output_options own_output_options();

}  // namespace eddy::detail
