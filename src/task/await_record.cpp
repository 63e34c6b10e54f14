// SPDX-License-Identifier: MIT
#include <eddy/detail/await_record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <source_location>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/task/print_awaits.hpp>

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

/// Returns the name of a coroutine without mangled names. GCC writes "void f(f(int)::_Z1fi.Frame*)" for `task<int>
/// f(int)`: the result is "f()". For a lambda in a coroutine, this is in the middle of the name.
std::string readable_name(std::string function) {
    constexpr std::string_view frame = ".Frame*)";
    for (auto at = function.find(frame); at != function.npos; at = function.find(frame)) {
        const std::size_t end = at + frame.size() - 1;  // the closing parenthesis
        std::size_t begin = end;
        for (int open = 1; open != 0 && begin != 0;) {
            --begin;
            open += function[begin] == ')' ? 1 : function[begin] == '(' ? -1 : 0;
        }
        function.erase(begin + 1, end - begin - 1);
    }
    constexpr std::string_view returned = "void ";  // no coroutine returns void
    if (function.starts_with(returned)) function.erase(0, returned.size());
    return function;
}

}  // namespace

void await_record::begin(call_site where, const waker& task) noexcept {
    if (is_listed_) return;
    where_ = where;
    if (part_ != nullptr) task_ = task;
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

void await_record::check_wakeup(const waker& task) noexcept {
    waker dropped = task;  // swapped under the lock, because other threads copy task_
    call_site other = nullptr;
    {
        const std::lock_guard guard(records_of(object_).lock);
        task_.swap(dropped);
        other = missed_;
    }
    if (other == nullptr) return;
    const std::source_location ready = source_location_of(other);
    fatal_misuse(
        "two tasks await the same object, which wakes only one of them: give each task an object of its own, "
        "or let one task await it for all. The other co_await is at " +
            std::string(ready.file_name()) + ":" + std::to_string(ready.line()) +
            "; the co_await that was not woken is",
        source_location_of(where_));
}

void await_record::remove(reason why) noexcept {
    waker mine;
    waker missed;
    {
        await_records& from = records_of(object_);
        const std::lock_guard guard(from.lock);
        (previous_ != nullptr ? previous_->next_ : from.first) = next_;
        if (next_ != nullptr) next_->previous_ = previous_;
        is_listed_ = false;
        mine.swap(task_);
        // Newer records are in front. If this await is destroyed before it is ready, a newer await has replaced its
        // waker and misses no wake-up. So only older records are checked then.
        await_record* other = part_ == nullptr ? nullptr : why == reason::ready ? from.first : next_;
        while (other != nullptr && (other->object_ != object_ || other->part_ != part_ || other->task_.will_wake(mine)))
            other = other->next_;
        if (other != nullptr) {
            other->missed_ = where_;
            missed = other->task_;
        }
    }
    std::move(missed).wake();
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

void await_record::print() {
    using place = std::tuple<std::string_view, unsigned, std::string_view>;
    std::map<place, std::size_t> counts;
    for (await_records& some : await_table) {
        const std::lock_guard guard(some.lock);
        for (const await_record* one = some.first; one != nullptr; one = one->next_) {
            const std::source_location where = source_location_of(one->where_);
            ++counts[place(where.file_name(), where.line(), where.function_name())];
        }
    }
    std::fprintf(stderr, "eddy: tasks wait at %zu %s\n", counts.size(), counts.size() == 1 ? "place" : "places");
    for (const auto& [at, count] : counts) {
        const auto& [file, line, function] = at;
        const std::string text = "eddy: " + std::to_string(count) + " at " + std::string(file) + ':' +
                                 std::to_string(line) + " in " + readable_name(std::string(function)) + '\n';
        std::fputs(text.c_str(), stderr);
    }
}

}  // namespace eddy::detail

namespace eddy {

void print_awaits() { detail::await_record::print(); }

}  // namespace eddy
