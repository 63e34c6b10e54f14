// SPDX-License-Identifier: MIT
#include <eddy/task/local_pool.hpp>

#include <algorithm>
#include <new>
#include <system_error>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/task.hpp>

namespace eddy {
namespace {

/// The work of one thread. The set is a parameter, so it is closed on that thread even if the coroutine never starts.
task<> drive(local_set set) { co_await set.run_until(pending<void>()); }

}  // namespace

struct local_pool::running {
    struct one {
        core_thread loop;
        detail::local_share tasks;
    };
    std::vector<one> all;
};

local_pool::local_pool(std::unique_ptr<running> made) noexcept : threads_(std::move(made)) {}
local_pool::local_pool(local_pool&&) noexcept = default;
local_pool& local_pool::operator=(local_pool&&) noexcept = default;
local_pool::~local_pool() = default;

local_pool::local_pool(std::size_t threads, std::source_location where) {
    if (threads == 0) throw misuse("a local_pool needs at least one thread", where);
    auto made = make(threads);
    if (!made) throw std::system_error(made.error(), "eddy: a local_pool cannot be made");
    *this = *std::move(made);
}

result<local_pool> local_pool::make(std::size_t count) noexcept try {
    if (count == 0) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    auto made = std::make_unique<running>();
    made->all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto loop = core_thread::make();
        if (!loop) return std::unexpected(loop.error());
        local_set set;
        detail::local_share tasks = detail::local_access::share(set);
        if (auto sent = loop->remote().spawn(drive(std::move(set))); !sent) return std::unexpected(sent.error());
        made->all.push_back({*std::move(loop), std::move(tasks)});
    }
    return local_pool(std::move(made));
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

std::size_t local_pool::size() const noexcept { return threads_ == nullptr ? 0 : threads_->all.size(); }

std::size_t local_pool::load(std::size_t index, std::source_location where) const {
    return detail::load_of(at(index, "local_pool::load()", where));
}

detail::local_tasks& local_pool::least_loaded(std::source_location where) const {
    if (threads_ == nullptr) detail::throw_empty("local_pool::spawn_pinned()", "local_pool", "moved from", where);
    const auto& all = threads_->all;
    return *std::min_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
                return detail::load_of(*a.tasks) < detail::load_of(*b.tasks);
            })->tasks;
}

detail::local_tasks& local_pool::at(std::size_t index, const char* what, std::source_location where) const {
    if (threads_ == nullptr) detail::throw_empty(what, "local_pool", "moved from", where);
    if (index >= size()) throw misuse("this local_pool has fewer threads: an index is less than size()", where);
    return *threads_->all[index].tasks;
}

}  // namespace eddy
