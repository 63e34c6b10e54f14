// SPDX-License-Identifier: MIT
// kqueue(2) reports changes of open files only: it would take a descriptor for each file, and has no names.
#include "sys/changes.hpp"

#include <expected>
#include <system_error>

#include <eddy/fs/error.hpp>

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> unsupported() { return std::unexpected(make_error_code(fs::errc::unwatchable)); }

}  // namespace

result<unique_fd> make_change_queue() noexcept { return unsupported(); }

result<int> add_watch(int, int) noexcept { return unsupported(); }

void remove_watch(int, int) noexcept {}

result<taken_changes> take_changes(int) { return unsupported(); }

}  // namespace eddy::sys
