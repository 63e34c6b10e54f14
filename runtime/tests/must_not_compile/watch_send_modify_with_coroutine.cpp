// expect-error: static assertion failed
// expect-error: eddy: send_modify changes the value immediately, under a lock, and would drop the future
// only-error
#include <eddy/sync/watch.hpp>
#include <eddy/task/task.hpp>

void use(eddy::sync::watch<int>::sender tx) {
#ifdef EDDY_CONTROL
    tx.send_modify([](int& value) { ++value; });
#else
    tx.send_modify([](int& value) -> eddy::task<void> {
        ++value;
        co_return;
    });
#endif
}
