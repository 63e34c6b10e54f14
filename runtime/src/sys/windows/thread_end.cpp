// SPDX-License-Identifier: MIT
#include "sys/thread_end.hpp"

#include <pthread.h>

#include <memory>

namespace eddy::sys {
namespace {

struct call {
    void (*f)(void*) noexcept;
    void* argument;
    call* next;
};

void run_calls(void* first) noexcept {
    for (auto* each = static_cast<call*>(first); each != nullptr;) {
        const std::unique_ptr<call> owned(each);
        each = each->next;
        owned->f(owned->argument);
    }
}

/// A key of thread-specific data, whose destructor makes the calls. A function of the fiber-local storage would be
/// called later: winpthreads has released its data of a detached thread then, and the next access to a thread_local
/// variable waits forever for a lock in that data.
class end_key {
public:
    end_key() noexcept : exists_(pthread_key_create(&key_, &run_calls) == 0) {}

    [[nodiscard]] void* get() const noexcept { return exists_ ? pthread_getspecific(key_) : nullptr; }
    [[nodiscard]] bool set(const void* value) const noexcept {
        return exists_ && pthread_setspecific(key_, value) == 0;
    }

private:
    pthread_key_t key_{};
    bool exists_;
};

}  // namespace

void call_at_thread_end(void (*f)(void*) noexcept, void* argument) {
    static const end_key key;
    auto made = std::make_unique<call>(call{f, argument, static_cast<call*>(key.get())});
    // If there is no key, what belongs to the thread is never released.
    if (key.set(made.get())) static_cast<void>(made.release());
}

}  // namespace eddy::sys
