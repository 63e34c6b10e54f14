// SPDX-License-Identifier: MIT
// Threads of the library are threads of the model: see library_threads. They have no names and no processors.
#include "explore/thread_stand_ins.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "explore/explore.hpp"
#include "sys/affinity.hpp"
#include "sys/thread.hpp"

namespace explore {
namespace {

std::array<thread*, 7> started;
std::size_t started_count = 0;
std::size_t room = 0;

}  // namespace

library_threads::library_threads(std::size_t most) {
    outside([&] {
        started_count = 0;
        room = most;
    });
}

library_threads::~library_threads() {
    // The oldest first: when a thread is joined here, so is the one that has started it.
    for (std::size_t i = 0;; ++i) {
        thread* next = nullptr;
        outside([&] {
            if (i != started_count) next = started.at(i);
        });
        if (next == nullptr) return;
        delete next;
    }
}

}  // namespace explore

namespace eddy::sys {

result<thread> thread::start(std::size_t, void* (*entry)(void*), void* argument) noexcept {
    bool has_room = false;
    explore::outside([&] { has_room = explore::room != 0 && explore::room-- != 0; });
    if (!has_room) return std::unexpected(std::make_error_code(std::errc::resource_unavailable_try_again));
    auto* const made = new explore::thread([=] { static_cast<void>(entry(argument)); });
    explore::outside([&] { explore::started.at(explore::started_count++) = made; });
    return thread(native_id());
}
thread::~thread() = default;
thread& thread::operator=(thread&& other) noexcept {
    id_ = std::exchange(other.id_, std::nullopt);
    return *this;
}
bool thread::is_this_thread() const noexcept { return false; }
void thread::join() noexcept { id_.reset(); }
void thread::detach() noexcept { id_.reset(); }
void name_this_thread(const std::string&) noexcept {}
result<void> run_this_thread_on(std::span<const unsigned>) noexcept { return {}; }
thread_binding::thread_binding(std::span<const unsigned>) noexcept {}
thread_binding::~thread_binding() = default;
result<std::vector<unsigned>> thread_binding::processors_of_new_thread() noexcept { return std::vector<unsigned>(); }

}  // namespace eddy::sys
