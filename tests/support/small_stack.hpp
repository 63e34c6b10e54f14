// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>
#include <cstddef>
#include <stdexcept>

namespace support {

/// Runs `f` on a thread with a stack of `bytes` bytes. This stack overflows if the depth of native calls grows with the
/// amount of work.
template <class Fn>
void run_on_small_stack(Fn f, std::size_t bytes = 256 * 1024) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes);
    pthread_t thread;
    const auto start = [](void* data) -> void* {
        // SAFETY: `data` is `f`, which exists until pthread_join().
        (*static_cast<Fn*>(data))();
        return nullptr;
    };
    const int failed = pthread_create(&thread, &attributes, start, &f);
    pthread_attr_destroy(&attributes);
    if (failed != 0) throw std::runtime_error("pthread_create failed");
    pthread_join(thread, nullptr);
}

}  // namespace support
