// SPDX-License-Identifier: MIT
// Accesses to plain memory, and the model's heap.
#include <algorithm>

#include "explore/engine.hpp"

namespace explore::detail {

void engine::plain_access(const void* address, std::size_t size, bool is_write, const void* code) {
    thread_state& self = me();
    self.code = code;
    if (fiber::is_separate(address)) return;
    if (heap_.holds(address) && heap_.state_of(address, size) != heap::state::live) {
        note(is_write ? "writes to plain memory" : "reads plain memory", 0, code);
        check_memory(address, size, is_write ? "a write" : "a read");
    }
    const auto found = races_.note(address, size, {self.id, self.seen[self.id], code, is_write}, self.seen);
    if (!found) return;
    note(is_write ? "writes to plain memory" : "reads plain memory", 0, code);
    complain(std::string("a data race: thread ") + std::to_string(self.id) + (is_write ? " writes at " : " reads at ") +
             call_site_of(code_here(code)) + " and thread " + std::to_string(found->thread) +
             (found->is_write ? " writes at " : " reads at ") + call_site_of({found->code}) +
             " without synchronization");
}

void engine::meet(const void* address, bool acquires, bool releases) {
    auto place = std::ranges::find(meetings_, address, &meeting::address);
    if (place == meetings_.end()) place = meetings_.insert(meetings_.end(), {address, {}});
    thread_state& self = me();
    if (acquires) self.seen.join(place->clock);
    if (!releases) return;
    place->clock.join(self.seen);
    self.seen.tick(self.id);
}

void* engine::allocate(std::size_t size, std::size_t alignment, const void* code) {
    void* const memory = heap_.allocate(size, alignment, code);
    if (memory == nullptr) fail("the model's heap is full");
    return memory;
}

void engine::deallocate(void* address, const void* code) {
    const heap::block* const freed = heap_.free(address);
    if (freed == nullptr) {
        note("frees", 0, code);
        fail("a double free, or a free of an address that is not a block");
    }
    thread_state& self = me();
    // A free counts as a write to every byte.
    const auto found = races_.note(freed->address, freed->size, {self.id, self.seen[self.id], code, true}, self.seen);
    if (found) {
        note("frees", 0, code);
        fail("a data race: thread " + std::to_string(self.id) + " frees at " + call_site_of(code_here(code)) +
             " and thread " + std::to_string(found->thread) + (found->is_write ? " writes at " : " reads at ") +
             call_site_of({found->code}) + " without synchronization");
    }
}

}  // namespace explore::detail
