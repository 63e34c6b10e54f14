// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

// The operations of the explored types (types.hpp, explore.hpp). They are compiled without instrumentation.
namespace explore::detail {

enum class kind : std::uint8_t { atomic, mutex, condition, event, tracked };
enum class arithmetic : std::uint8_t { exchange, add, subtract, bit_and, bit_or, bit_xor };

/// Index of an object's record plus one, stored in the object. The value is meaningless outside of a model, and in
/// objects that are older than the execution.
using object_index = std::uint32_t;

/// Returns whether a model runs and the caller is code of the model.
[[nodiscard]] bool is_exploring() noexcept;

/// While an instance exists, operations are not steps of the model.
class pause_exploring {
public:
    pause_exploring() noexcept;
    pause_exploring(const pause_exploring&) = delete;
    pause_exploring& operator=(const pause_exploring&) = delete;
    ~pause_exploring();
};

void construct(object_index& index, kind what, const void* address, std::size_t size, std::uint64_t value = 0) noexcept;
void destroy(object_index& index, kind what, const void* address) noexcept;

// ---- Atomics. `value` is the object's value outside of a model. ----

struct atomic_ref {
    object_index& index;
    const void* address;
    void* value;
    std::uint8_t size;  // in bytes: results are truncated to it
};
[[nodiscard]] std::uint64_t load(atomic_ref object, std::memory_order order) noexcept;
void store(atomic_ref object, std::uint64_t value, std::memory_order order) noexcept;
std::uint64_t modify(atomic_ref object, arithmetic how, std::uint64_t operand, std::memory_order order) noexcept;
bool compare_exchange(atomic_ref object, std::uint64_t& expected, std::uint64_t desired, std::memory_order success,
                      std::memory_order failure, bool may_fail_spuriously) noexcept;

[[nodiscard]] std::uint64_t apply(arithmetic how, std::uint64_t value, std::uint64_t operand) noexcept;

// ---- Locks and waiting ----

void lock(object_index& mutex, const void* address) noexcept;
[[nodiscard]] bool try_lock(object_index& mutex, const void* address) noexcept;
void unlock(object_index& mutex, const void* address) noexcept;

struct condition_ref {
    object_index& index;
    const void* address;
    object_index& mutex;
    const void* mutex_address;
};
/// Releases the mutex, waits, and locks the mutex again. Returns false if the wait timed out.
bool wait(condition_ref object, bool is_timed) noexcept;
void notify(object_index& condition, const void* address, bool all) noexcept;

void set_event(object_index& event, const void* address, bool orders) noexcept;
void wait_event(object_index& event, const void* address) noexcept;

// ---- Plain memory ----

void plain_access(const void* address, std::size_t size, bool is_write, const void* code) noexcept;
/// Calls plain_access() with the return address as `code`.
void cell_access(const void* address, std::size_t size, bool is_write) noexcept;
void touch(object_index& tracked, const void* address) noexcept;

}  // namespace explore::detail
