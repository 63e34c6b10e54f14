// SPDX-License-Identifier: MIT
#include "explore/fiber.hpp"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace explore::detail {

constinit std::array<void*, fiber::max_separate> fiber::separated{};

fiber::fiber(std::size_t size) : size_(size) {
    void* const memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "explore: no stack");
    stack_ = static_cast<std::byte*>(memory);
    // The lowest page is a guard page: a stack overflow ends the program and does not overwrite other memory.
    mprotect(memory, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), PROT_NONE);
}

fiber::~fiber() {
    if (stack_ != nullptr) munmap(stack_, size_);
}

void fiber::prepare(void (*entry)()) noexcept {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_;
    context_.uc_stack.ss_size = size_;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
    exceptions_ = {};
    own_ = {};
}

void fiber::switch_to(fiber& to) noexcept {
    static_assert(sizeof(exceptions_) == 16 || sizeof(void*) != 8, "laid out as __cxa_eh_globals");
    auto* const here = abi::__cxa_get_globals();
    std::memcpy(&exceptions_, here, sizeof(exceptions_));
    std::memcpy(here, &to.exceptions_, sizeof(exceptions_));
    for (std::size_t i = 0; i < separated.size() && separated[i] != nullptr; ++i) {
        std::memcpy(&own_[i], separated[i], sizeof(void*));
        std::memcpy(separated[i], &to.own_[i], sizeof(void*));
    }
    // swapcontext() makes two system calls for the signal mask. They cost little: most steps do not switch.
    swapcontext(&context_, &to.context_);
}

bool fiber::holds(const void* address) const noexcept {
    const auto* const at = static_cast<const std::byte*>(address);
    return stack_ != nullptr && at >= stack_ && at < stack_ + size_;
}

void fiber::separate(void* variable) noexcept {
    if (is_separate(variable)) return;
    auto* const place = std::ranges::find(separated, nullptr);
    if (place == separated.end()) std::abort();
    *place = variable;
}

bool fiber::is_separate(const void* address) noexcept {
    return address != nullptr && std::ranges::find(separated, address) != separated.end();
}

}  // namespace explore::detail
