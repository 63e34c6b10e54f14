// SPDX-License-Identifier: MIT
#include <eddy/future/detail/error_trail.hpp>

#include <mutex>
#include <source_location>
#include <string>

#include <eddy/future/detail/virtual_stack.hpp>

#include "future/is_in_library.hpp"
#include "future/readable_name.hpp"
#include "sys/static_mutex.hpp"

namespace eddy::detail {
namespace {

// The trails of this process: one for each eddy::run() in progress.
constinit sys::static_mutex<std::mutex> trails_lock;
constinit error_trail* first_trail = nullptr;

}  // namespace

error_trail::error_trail(const frame* root, call_site header) noexcept : root_(root), header_(header) {
    if (root_ == nullptr) return;
    const std::lock_guard guard(trails_lock);
    next_ = first_trail;
    first_trail = this;
}

error_trail::~error_trail() {
    if (root_ == nullptr) return;
    const std::lock_guard guard(trails_lock);
    error_trail** at = &first_trail;
    while (*at != this) at = &(*at)->next_;
    *at = next_;
}

std::string error_trail::text() const {
    const std::lock_guard guard(trails_lock);
    std::string lines;
    if (awaiting_ != nullptr) return lines;  // a task has handled the last error
    for (std::size_t i = 0; i < size_; ++i) {
        if (is_in_library(places_[i], header_, "detail/error_trail.hpp")) continue;
        const std::source_location where = source_location_of(places_[i]);
        lines += "\n  at ";
        lines += where.file_name();
        lines += ':' + std::to_string(where.line()) + " in " + readable_name(where.function_name());
    }
    return lines;
}

void error_trail::note(const frame& ended, call_site where, bool from_child) noexcept {
    const std::lock_guard guard(trails_lock);
    error_trail* to = first_trail;
    while (to != nullptr && to->root_ != &ended.root()) to = to->next_;
    if (to == nullptr) return;
    if (!from_child || to->awaiting_ != &ended) to->size_ = 0;  // a new error
    if (to->size_ < to->places_.size()) to->places_[to->size_++] = where;
    to->awaiting_ = ended.awaited_by();
}

}  // namespace eddy::detail
