// SPDX-License-Identifier: MIT
// A program with tasks made by hand, to be read by tests. It prints a line, and then waits until its input ends.
//     hand_made_target           the tasks of hand_made::example
//     hand_made_target COUNT     this many tasks that wait for data
#include <unistd.h>

#include <cstdlib>

#include "hand_made.hpp"

int main(int argc, char** argv) {
    hand_made::example all;
    if (argc > 1) {
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
