// SPDX-License-Identifier: MIT
#include <eddy/process/exit_status.hpp>

#include <array>
#include <charconv>
#include <expected>
#include <string>

#include "sys/processes.hpp"

namespace eddy::process {

result<void> exit_status::check() const {
    if (is_success()) return {};
    return std::unexpected(error(errc::failed, program_ ? *program_ : "a program", to_string()));
}

std::string exit_status::to_string() const {
    if (!is_signal_) {
        if (number_ >= 0) return "exit code " + std::to_string(number_);
        // An NTSTATUS of Windows, which is known as a number of 8 digits.
        std::array<char, 8> digits{};
        const auto end =
            std::to_chars(digits.data(), digits.data() + digits.size(), static_cast<unsigned>(number_), 16);
        return "exit code 0x" + std::string(digits.data(), end.ptr);
    }
    std::string text = "signal " + std::to_string(number_);
    if (const auto name = sys::signal_name(number_); !name.empty()) text.append(" (").append(name).append(")");
    if (dumped_core_) text += ", core dumped";
    return text;
}

}  // namespace eddy::process
