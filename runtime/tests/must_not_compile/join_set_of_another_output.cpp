// expect-error: static assertion failed
// expect-error: eddy: a join_set<T> holds tasks whose output is T, and this work has a different output type
#include <eddy/future/ready.hpp>
#include <eddy/task/join_set.hpp>

int main() {
    eddy::join_set<int> set;
#ifdef EDDY_CONTROL
    set.spawn(eddy::ready(1));
#else
    set.spawn(eddy::ready(1.5));
#endif
}
