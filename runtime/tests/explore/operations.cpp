// SPDX-License-Identifier: MIT
#include "explore/operations.hpp"

#include <cstring>

#include "explore/engine.hpp"

namespace explore::detail {
namespace {

std::uint64_t value_of(const atomic_ref& object) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, object.value, object.size);
    return value;
}

void set_value(const atomic_ref& object, std::uint64_t value) noexcept {
    std::memcpy(object.value, &value, object.size);
}

}  // namespace

// All functions have the same form: within a model they call the engine; outside of one there is a single thread and
// nothing to order.

pause_exploring::pause_exploring() noexcept { the_engine().pause(true); }
pause_exploring::~pause_exploring() { the_engine().pause(false); }

void construct(object_index& index, kind what, const void* address, std::size_t size, std::uint64_t value) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().construct(index, what, address, size, value);
}

void destroy(object_index& index, kind what, const void* address) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().destroy(index, what, address);
}

std::uint64_t load(atomic_ref object, std::memory_order order) noexcept {
    if (!is_exploring()) return value_of(object);
    const engine::inside guard(the_engine());
    return the_engine().load(object, order, __builtin_return_address(0));
}

void store(atomic_ref object, std::uint64_t value, std::memory_order order) noexcept {
    if (!is_exploring()) return set_value(object, value);
    const engine::inside guard(the_engine());
    the_engine().store(object, value, order, __builtin_return_address(0));
}

std::uint64_t modify(atomic_ref object, arithmetic how, std::uint64_t operand, std::memory_order order) noexcept {
    if (!is_exploring()) {
        const std::uint64_t before = value_of(object);
        set_value(object, apply(how, before, operand));
        return before;
    }
    const engine::inside guard(the_engine());
    return the_engine().modify(object, how, operand, order, __builtin_return_address(0));
}

bool compare_exchange(atomic_ref object, std::uint64_t& expected, std::uint64_t desired, std::memory_order success,
                      std::memory_order failure, bool may_fail_spuriously) noexcept {
    if (!is_exploring()) {
        const std::uint64_t before = value_of(object);
        if (before == expected) {
            set_value(object, desired);
            return true;
        }
        expected = before;
        return false;
    }
    const engine::inside guard(the_engine());
    return the_engine().compare_exchange(object, expected, desired, success, failure, may_fail_spuriously,
                                         __builtin_return_address(0));
}

void lock(object_index& mutex, const void* address) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().lock(mutex, address, __builtin_return_address(0));
}

bool try_lock(object_index& mutex, const void* address) noexcept {
    if (!is_exploring()) return true;
    const engine::inside guard(the_engine());
    return the_engine().try_lock(mutex, address, __builtin_return_address(0));
}

void unlock(object_index& mutex, const void* address) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().unlock(mutex, address, __builtin_return_address(0));
}

bool wait(condition_ref object, bool is_timed) noexcept {
    if (!is_exploring()) return false;
    const engine::inside guard(the_engine());
    return the_engine().wait(object, is_timed, __builtin_return_address(0));
}

void notify(object_index& condition, const void* address, bool all) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().notify(condition, address, all, __builtin_return_address(0));
}

void set_event(object_index& event, const void* address, bool orders) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().set_event(event, address, orders, __builtin_return_address(0));
}

void wait_event(object_index& event, const void* address) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().wait_event(event, address, __builtin_return_address(0));
}

void plain_access(const void* address, std::size_t size, bool is_write, const void* code) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().plain_access(address, size, is_write, code);
}

void cell_access(const void* address, std::size_t size, bool is_write) noexcept {
    plain_access(address, size, is_write, __builtin_return_address(0));
}

void touch(object_index& tracked, const void* address) noexcept {
    if (!is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().touch(tracked, address, __builtin_return_address(0));
}

}  // namespace explore::detail
