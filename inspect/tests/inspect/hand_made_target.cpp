// SPDX-License-Identifier: MIT
// A program with tasks made by hand, to be read by tests. It prints a line, and then waits until its input ends.
//     hand_made_target           the tasks of hand_made::example
//     hand_made_target COUNT     this many tasks that wait for data
//     hand_made_target damaged   a task whose name is a command for a terminal, and walks that do not end
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string_view>

#include "hand_made.hpp"

namespace {

/// Returns two objects in front of memory that cannot be read, not even by a debugger: it is behind the end of a file.
hand_made::pair* last_before_nothing() {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const int file = ::memfd_create("page", MFD_CLOEXEC);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(page)) != 0) std::abort();
    void* const pages = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (pages == MAP_FAILED) std::abort();
    auto* const end = static_cast<std::byte*>(pages) + page;
    return new (end - 2 * sizeof(hand_made::pair)) hand_made::pair[2];
}

/// The ids of the tasks are 9 to 13.
void add_damaged(hand_made::world& to) {
    using hand_made::place;
    to.add(place(), nullptr, "\x1b[31mred");

    static hand_made::many all{0, last_before_nothing(), nullptr};
    all.end = reinterpret_cast<hand_made::pair*>(~std::uintptr_t{0});
    to.add(place(), &to.stack({place()}, hand_made::many_shape, &all));

    static hand_made::list_node node;
    node.next = &node;
    static hand_made::chained cycle{0, &node};
    to.add(place(), &to.stack({place()}, hand_made::chained_shape, &cycle));

    // A coroutine that waits for itself, and an adaptor that is in itself.
    hand_made::future& own = to.make(std::uint64_t{0});
    hand_made::frame& root = to.stack({place()}, hand_made::task_shape, &own);
    own.word = reinterpret_cast<std::uint64_t>(&root);
    to.add(place(), &root);
    static const hand_made::child itself{nullptr, nullptr, 0, hand_made::child::always, 0, hand_made::child::itself,
                                         8,       0};
    static const hand_made::shape adaptor{"adaptor", eddy::inspect::wait_kind::inner, 1, 0, 0, &itself};
    static const void* in_itself[2] = {nullptr, &adaptor};
    to.add(place(), &to.stack({place()}, adaptor, static_cast<const void*>(&in_itself)));

    // A ring that does not come back to its head.
    to.of(0).ring.previous->next = to.of(0).ring.next;
    to.record().next = &to.record();
}

}  // namespace

int main(int argc, char** argv) {
    hand_made::example all;
    if (argc > 1 && std::string_view(argv[1]) == "damaged") {
        add_damaged(all.objects());
    } else if (argc > 1) {
        static hand_made::socket socket{0, 0};
        for (int i = std::atoi(argv[1]); i > 0; --i) {
            auto& root = all.objects().stack({all.in_serve(), all.in_read_head(), all.in_read_head()},
                                             hand_made::read_shape, &all.objects().make(&socket));
            all.objects().add(hand_made::place(), &root);
        }
    }
    write(1, "ready\n", 6);
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    return 0;
}
