// SPDX-License-Identifier: MIT
// A user's program with the module.
// docs: program
#include <coroutine>

import eddy;

eddy::task<int> answer() { co_return 42; }

int main() { return eddy::run(answer()) == 42 ? 0 : 1; }
// docs: end
