// expect-error: eddy: a duration has a unit: write 1s or 100ms, after `using namespace std::chrono_literals;`
// only-error
#include <eddy/task/task.hpp>
#include <eddy/time/interval.hpp>

#include <chrono>

eddy::task<void> work() {
    using namespace std::chrono_literals;
#ifdef EDDY_CONTROL
    auto every = eddy::time::interval(100ms);
#else
    auto every = eddy::time::interval(100);
#endif
    co_await every.tick();
}
