// GCC 12 would destroy the closure's captures twice.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys a closure's captures twice inside a co_await expression; name the future first
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto work = eddy::ready(1).map([p = std::move(p)](int i) { return i + *p; });
    co_return co_await work;
#else
    co_return co_await eddy::ready(1).map([p = std::move(p)](int i) { return i + *p; });
#endif
}
