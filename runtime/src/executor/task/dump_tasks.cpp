// SPDX-License-Identifier: MIT
#include <eddy/task/dump_tasks.hpp>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "executor/task/registry.hpp"
#include "inspect/tree_output.hpp"
#include "inspect/walker.hpp"
#include "sys/own_memory.hpp"
#include "sys/socket_text.hpp"

namespace eddy {
namespace {

/// The memory of this process, read by system calls, so that a wrong address is an error and no crash.
class own_memory final : public inspect::target_memory {
public:
    void read(std::span<inspect::piece> pieces) override {
        for (inspect::piece& one : pieces) {
            // SAFETY: only the system uses the address.
            const auto* const from = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(one.from));  // NOLINT
            one.is_read = sys::copy_own_memory(from, one.into);
        }
    }
};

}  // namespace

std::string dump_tasks(dump_format as) {
    own_memory memory;
    const auto tree = inspect::read_tasks(memory, detail::address_of_debug_table());
    if (!tree) return "eddy: " + tree.error() + "\n";
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const inspect::output_options options{.now = static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count()),
                                          .about = &sys::socket_text};
    if (as == dump_format::json) return inspect::tree_json(*tree, options);
    std::string text = inspect::tree_text(*tree, options);
    for (const std::string& problem : tree->problems) text += "note: " + inspect::printable(problem) + "\n";
    return text;
}

}  // namespace eddy
