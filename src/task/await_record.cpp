// SPDX-License-Identifier: MIT
#include <eddy/detail/await_record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include <eddy/error.hpp>

namespace eddy::detail {

constinit std::atomic<bool> has_await_records{false};

namespace {

/// The records of the objects with the same hash value. Records are not part of what explore_tests explores, so this is
/// a std::mutex.
struct await_records {
    std::mutex lock;
    await_record* first = nullptr;
};

constinit std::array<await_records, 256> await_table;

await_records& records_of(const void* object) noexcept {
    // SAFETY: the address is only a number here. The allocator aligns objects to 16 bytes.
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    return await_table[(address / 16 + address / 4096) % await_table.size()];
}

}  // namespace

void await_record::begin(call_site where) noexcept {
    if (is_listed_) return;
    where_ = where;
    await_records& into = records_of(object_);
    const std::lock_guard guard(into.lock);
    next_ = into.first;
    previous_ = nullptr;
    if (next_ != nullptr) next_->previous_ = this;
    into.first = this;
    is_listed_ = true;
    // relaxed: see check_not_awaited().
    has_await_records.store(true, std::memory_order_relaxed);
}

void await_record::remove() noexcept {
    await_records& from = records_of(object_);
    const std::lock_guard guard(from.lock);
    (previous_ != nullptr ? previous_->next_ : from.first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
    is_listed_ = false;
}

void await_record::check(const void* object, const void* type, const char* name) noexcept {
    call_site where = nullptr;
    {
        await_records& of = records_of(object);
        const std::lock_guard guard(of.lock);
        const await_record* found = of.first;
        while (found != nullptr && (found->object_ != object || found->type_ != type)) found = found->next_;
        if (found == nullptr) return;
        where = found->where_;
    }
    fatal_misuse(std::string(name) +
                     " was destroyed while a task awaits it: keep it until the task has ended, or move it into the "
                     "task. The co_await is",
                 source_location_of(where));
}

}  // namespace eddy::detail
