// SPDX-License-Identifier: MIT
#include "sys/thread.hpp"

#if !defined(_WIN32)
#include <limits.h>
#include <unistd.h>
#endif

#include <algorithm>

#include <eddy/error.hpp>

namespace eddy::sys {

thread& thread::operator=(thread&& other) noexcept {
    EDDY_ASSERT(!id_, "sys::thread: assigned to one that was neither joined nor detached");
    id_ = std::exchange(other.id_, std::nullopt);
    process_ = other.process_;
    return *this;
}

thread::~thread() { EDDY_ASSERT(!id_, "sys::thread: destroyed without having been joined or detached"); }

#if !defined(_WIN32)  // see windows/thread.cpp

namespace {

std::size_t page_size() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

/// Returns the size of the smallest stack.
std::size_t least_stack() noexcept {
#if defined(PTHREAD_STACK_MIN)
    return static_cast<std::size_t>(PTHREAD_STACK_MIN);
#else
    return page_size();
#endif
}

/// The attributes of a new thread. Destroys them in its destructor.
class attributes {
public:
    attributes() noexcept : error_(pthread_attr_init(&value_)) {}
    attributes(const attributes&) = delete;
    attributes& operator=(const attributes&) = delete;
    ~attributes() {
        if (error_ == 0) pthread_attr_destroy(&value_);
    }

    [[nodiscard]] int error() const noexcept { return error_; }
    [[nodiscard]] const pthread_attr_t* get() const noexcept { return &value_; }

    int set_stack_size(std::size_t size) noexcept {
        const std::size_t page = page_size();
        const auto pages = (std::max(size, least_stack()) - 1) / page + 1;
        return pthread_attr_setstacksize(&value_, pages * page);
    }

private:
    pthread_attr_t value_;
    int error_;
};

std::error_code code_of(int error) noexcept { return {error, std::generic_category()}; }

}  // namespace

result<thread> thread::start(std::size_t stack_size, void* (*entry)(void*), void* argument) noexcept {
    pthread_t id{};
    if (stack_size == 0) {
        if (const int error = pthread_create(&id, nullptr, entry, argument)) return std::unexpected(code_of(error));
        return thread(id);
    }
    attributes chosen;
    if (chosen.error() != 0) return std::unexpected(code_of(chosen.error()));
    if (const int error = chosen.set_stack_size(stack_size)) return std::unexpected(code_of(error));
    if (const int error = pthread_create(&id, chosen.get(), entry, argument)) return std::unexpected(code_of(error));
    return thread(id);
}

bool thread::is_this_thread() const noexcept { return id_ && pthread_equal(*id_, pthread_self()) != 0; }

void thread::join() noexcept {
    const pthread_t id = *std::exchange(id_, std::nullopt);
    if (process_.is_from_parent()) return;
    const int error = pthread_join(id, nullptr);
    EDDY_ASSERT(error == 0, "sys::thread: a thread that cannot be joined, perhaps by itself");
}

void thread::detach() noexcept {
    const pthread_t id = *std::exchange(id_, std::nullopt);
    if (!process_.is_from_parent()) pthread_detach(id);
}

#endif

}  // namespace eddy::sys
