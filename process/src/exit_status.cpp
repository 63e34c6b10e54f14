// SPDX-License-Identifier: MIT
#include <eddy/process/exit_status.hpp>

#include <string>

#include "sys/processes.hpp"

namespace eddy::process {

std::string exit_status::to_string() const {
    if (!is_signal_) return "exit code " + std::to_string(number_);
    std::string text = "signal " + std::to_string(number_);
    if (const auto name = sys::signal_name(number_); !name.empty()) text.append(" (").append(name).append(")");
    if (dumped_core_) text += ", core dumped";
    return text;
}

}  // namespace eddy::process
