// expect-error: eddy: a duration has a unit: write 1s or 100ms, after `using namespace std::chrono_literals;`
// only-error
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include <chrono>

eddy::task<bool> work() {
    using namespace std::chrono_literals;
#ifdef EDDY_CONTROL
    auto outcome = co_await eddy::time::timeout(500ms, eddy::time::sleep(1s));
#else
    auto outcome = co_await eddy::time::timeout(500, eddy::time::sleep(1s));
#endif
    co_return outcome.has_value();
}
