// std::get of the output of a join: the message is short, and names the members.
//
// expect-error: static assertion failed
// expect-error: eddy: the output of join is not a std::tuple: write `both.first`, or `both.get<0>()`
// only-error
// max-lines: 6
#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

#include <utility>

eddy::task<int> use() {
    const auto both = co_await eddy::join(eddy::ready(1), eddy::ready(2));
#ifdef EDDY_CONTROL
    const int one = both.first;
#else
    const int one = std::get<0>(both);
#endif
    co_return one;
}
